import pytest
import torch
from transformers import CLIPTokenizer

from pipeline.base.conditioning import body_ids, token_ids, too_long
from pipeline.base.load import make_tokenizer

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
