import pytest
from transformers import CLIPTokenizer

from pipeline.bases.tokenizers import make_tokenizer
from pipeline.drawing.conditioning import Chunk, chunks
from pipeline.prompts.weights import weighted_parts

START, END, COMMA, A, B, CAT = 49406, 49407, 267, 320, 321, 2368
"""Ids of CLIP's published vocabulary: `,`, `a`, `b`, `cat`."""


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return make_tokenizer(None)


def bodies(found: list[Chunk]) -> list[list[int]]:
    """What stands between start and end of each chunk, without padding."""
    for chunk in found:
        assert len(chunk.ids) == len(chunk.weights) == 77
        assert chunk.ids[0] == START
        assert chunk.ids[-1] == END
    return [[token for token in chunk.ids if token not in (START, END)] for chunk in found]


def split(tokenizer: CLIPTokenizer, prompt: str) -> list[list[int]]:
    return bodies(chunks(tokenizer, weighted_parts(prompt)))


def test_a_short_prompt_is_one_chunk_with_its_weights(tokenizer: CLIPTokenizer) -> None:
    (chunk,) = chunks(tokenizer, weighted_parts("a (cat:1.5)"))
    assert chunk.ids == (START, A, CAT, *[END] * 74)
    assert chunk.weights == (1.0, 1.0, 1.5, *[1.0] * 74)
    assert split(tokenizer, "") == [[]]


def test_the_76th_token_opens_a_chunk(tokenizer: CLIPTokenizer) -> None:
    assert split(tokenizer, "a " * 75) == [[A] * 75]
    assert split(tokenizer, "a " * 76) == [[A] * 75, [A]]
    assert split(tokenizer, "a " * 160) == [[A] * 75, [A] * 75, [A] * 10]


def test_what_follows_a_near_comma_moves_along(tokenizer: CLIPTokenizer) -> None:
    # 60 a, a comma, then 15 b: the comma is the 61st token, 14 fit behind it.
    assert split(tokenizer, "a " * 60 + "," + " b" * 15) == [[A] * 60 + [COMMA], [B] * 15]
    # The comma is the 55th: 20 b fit, and it is just too far (75 - 54 = 21) for the 21st to move them.
    assert split(tokenizer, "a " * 54 + "," + " b" * 21) == [[A] * 54 + [COMMA] + [B] * 20, [B]]
    assert split(tokenizer, "a " * 55 + "," + " b" * 20) == [[A] * 55 + [COMMA], [B] * 20]


def test_a_comma_as_76th_token_moves_nothing(tokenizer: CLIPTokenizer) -> None:
    assert split(tokenizer, "a " * 70 + "," + " b" * 4 + ", b") == [
        [A] * 70 + [COMMA] + [B] * 4,
        [COMMA, B],
    ]


def test_break_opens_a_chunk_and_padding_fills_the_one_before(tokenizer: CLIPTokenizer) -> None:
    assert split(tokenizer, "a BREAK b") == [[A], [B]]
    assert split(tokenizer, "a BREAK BREAK b") == [[A], [], [B]]
    assert split(tokenizer, "a BREAK") == [[A]]
    assert split(tokenizer, "BREAK a") == [[], [A]]
