import pytest
import torch
from transformers import CLIPTokenizer

from pipeline.bases.tokenizers import make_tokenizer
from pipeline.bases.tokens import body_ids, token_ids, too_long
from tests.pipeline.bases.random_sd1 import random_base

WORDS = {"zib": range(49408, 49410), "zibbo": range(49410, 49411), "<cat-toy>": range(49411, 49412)}
PHOTO, A, CAT, COMMA = 1125, 320, 2368, 267


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return make_tokenizer(None)


@pytest.mark.parametrize(
    ("caption", "wanted"),
    [
        ("a zib, cat", [A, 49408, 49409, COMMA, CAT]),
        ("ZIB cat", [49408, 49409, CAT]),
        ("zibbo zib", [49410, 49408, 49409]),
        ("a <cat-toy>, photo", [A, 49411, COMMA, PHOTO]),
        ("a<cat-toy>", [A, 49411]),
        ("zib", [49408, 49409]),
        ("", []),
    ],
)
def test_a_word_becomes_its_ids(tokenizer: CLIPTokenizer, caption: str, wanted: list[int]) -> None:
    assert body_ids(tokenizer, caption, WORDS) == wanted


@pytest.mark.parametrize("caption", ["zibs", "a zib_style cat", "zib2", "xzib", "cat-toy"])
def test_a_part_of_another_word_stays_what_it_is(tokenizer: CLIPTokenizer, caption: str) -> None:
    assert body_ids(tokenizer, caption, WORDS) == body_ids(tokenizer, caption)


def test_captions_without_a_word_are_framed_as_the_tokenizer_frames_them(tokenizer: CLIPTokenizer) -> None:
    captions = ["a photo of a cat's toy (red:1.2), 1girl", "", "cat " * 100]
    assert torch.equal(token_ids(tokenizer, captions, WORDS), token_ids(tokenizer, captions))


def test_vectors_count_as_tokens_and_what_is_over_is_cut(tokenizer: CLIPTokenizer) -> None:
    fits, over = "cat " * 73 + "zib", "cat " * 74 + "zib"
    assert too_long(tokenizer, [fits, over], WORDS) == [over]
    ids = token_ids(tokenizer, [fits, over], WORDS).tolist()
    assert [len(row) for row in ids] == [77, 77]
    assert ids[0][-3:] == [49408, 49409, 49407]
    assert ids[1][-3:] == [CAT, 49408, 49407]


@pytest.mark.parametrize(("max_tokens", "chunks"), [(150, 2), (225, 3)])
def test_long_captions_are_read_in_framed_chunks(
    tokenizer: CLIPTokenizer, max_tokens: int, chunks: int
) -> None:
    """80 words: 75 and 5, each between start and end; an empty chunk is start and ends alone."""
    ids = token_ids(tokenizer, ["cat " * 80, "zib", "cat " * 400], WORDS, max_tokens)
    assert ids.shape == (3, chunks, 77)
    start, end = 49406, 49407
    assert ids[0, 0].tolist() == [start, *[CAT] * 75, end]
    assert ids[0, 1].tolist() == [start, *[CAT] * 5, *[end] * 71]
    assert ids[1, 0].tolist() == [start, 49408, 49409, *[end] * 74]
    assert ids[1, 1].tolist() == [start, *[end] * 76]
    assert too_long(tokenizer, ["cat " * max_tokens, "cat " * (max_tokens + 1)], max_tokens=max_tokens) == [
        "cat " * (max_tokens + 1)
    ]


@pytest.mark.parametrize("clip_skip", [1, 2])
def test_chunks_are_joined_with_one_start_and_one_end(clip_skip: int) -> None:
    base = random_base()
    ids = token_ids(base.tokenizer, ["cat " * 80, "a"], max_tokens=150)
    joined = base.family.encode(base, ids, clip_skip).tokens
    assert joined.shape == (2, 152, 16)
    for row in range(2):
        first, second = base.family.encode(base, ids[row], clip_skip).tokens
        wanted = torch.cat([first[:1], first[1:76], second[1:76], second[76:]])
        assert torch.allclose(joined[row], wanted, atol=1e-6)
