from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from pipeline.bases.clip_vocabulary import write_clip_tokenizer
from pipeline.captions.budget import clip_tokenizer, num_tokens
from pipeline.captions.text import KAOMOJI


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    folder: Path = tmp_path_factory.mktemp("clip")
    write_clip_tokenizer(folder)
    tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder)
    return tokenizer


def test_the_published_example() -> None:
    assert clip_tokenizer().encode("a photo of a cat").ids == [320, 1125, 539, 320, 2368]


@pytest.mark.parametrize(
    "text",
    [
        "1girl, long hair, mario (game), \\o/",
        "",
        "  a\n b ",
        "初音ミク",
        "ÉCLAIR",
        *sorted(KAOMOJI),
        "it's ½ Ⅷ",
    ],
)
def test_tokens_are_those_of_transformers(published: CLIPTokenizer, text: str) -> None:
    ours = clip_tokenizer().encode(text, add_special_tokens=False).ids
    assert ours == published(text, add_special_tokens=False)["input_ids"]


@settings(deadline=None)  # the first builds the tokenizer
@given(st.text(max_size=40).filter(lambda text: "<|" not in text))
def test_counts_are_those_of_transformers(published: CLIPTokenizer, text: str) -> None:
    assert num_tokens(text) == len(published(text, add_special_tokens=False)["input_ids"])


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("ab Z9é's_(),.:;-\u0301İ少"), max_size=6), max_size=8).map(", ".join))
def test_tags_counted_one_by_one_are_as_many_tokens_as_the_whole_text(text: str) -> None:
    assert num_tokens(text) == len(clip_tokenizer().encode(text, add_special_tokens=False).ids)
