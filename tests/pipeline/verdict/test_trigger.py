"""Whether the prompts begin with words that the network's captions had, by headers by hand."""

import json
import time
from collections import Counter
from typing import Any

import pytest

from pipeline.verdict.trigger import MOST_CHARACTERS, UnknownTrigger, shared_tag, tag_counts, unknown_trigger

PROMPTS = ("zibbo, meadow, smile", "zibbo, night")


def header(number: int = 20, **folders: Any) -> dict[str, str]:
    """Of folders of so many pictures."""
    dirs = {name: {"n_repeats": 3, "img_count": number} for name in folders}
    return {"ss_tag_frequency": json.dumps(folders), "ss_dataset_dirs": json.dumps(dirs)}


def test_words_that_no_caption_has_are_named_with_what_the_captions_have() -> None:
    found = unknown_trigger(PROMPTS, header(a={"quolim": 20, "meadow": 6}, b={"night": 12, "smile": 9}))
    assert found == UnknownTrigger(["zibbo"], "quolim")


@pytest.mark.parametrize("tag", ["zibbo", "ZIBBO", "a zibbo in the night", "zibbo_the_critter"])
def test_words_of_any_caption_are_known(tag: str) -> None:
    assert unknown_trigger(PROMPTS, header(a={tag: 1, "meadow": 20})) is None


def test_one_prompt_that_begins_with_a_known_word_is_enough() -> None:
    captions = header(a={"quolim": 20})
    assert unknown_trigger(["a portrait", "quolim, night"], captions) is None
    assert unknown_trigger(["a portrait", "the sea"], captions) == UnknownTrigger(
        ["a portrait", "the sea"], "quolim"
    )


def test_little_words_are_no_trigger() -> None:
    assert unknown_trigger(["a zibbo"], header(4, a={"a quolim": 4})) == UnknownTrigger(
        ["a zibbo"], "a quolim"
    )
    assert unknown_trigger(["a, zibbo"], header(4, a={"quolim": 4})) is None


def test_a_headers_trigger_phrase_anywhere_in_the_prompt_is_enough_and_is_named_first() -> None:
    captions = header(a={"1girl": 20, "quolim": 20}) | {"modelspec.trigger_phrase": "Quolim"}
    assert unknown_trigger(["a portrait, quolim"], captions) is None
    assert unknown_trigger(["a portrait"], captions) == UnknownTrigger(["a portrait"], "quolim")
    untrue = header(a={"quolim": 20}) | {"modelspec.trigger_phrase": "zibbo"}
    assert unknown_trigger(PROMPTS, untrue) == UnknownTrigger(["zibbo"], "quolim")


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '{"a": []}', '{"a": {"quolim": "many"}}', '{"a": {"quolim": {}}}', "[" * 5000,
        " " * MOST_CHARACTERS + '{"a": {"quolim": 2}}',
    ],
)  # fmt: skip
def test_what_is_not_of_that_form_says_nothing(text: str) -> None:
    assert not tag_counts(text)
    assert unknown_trigger(PROMPTS, {"ss_tag_frequency": text}) is None
    assert unknown_trigger(PROMPTS, {}) is None


def test_a_strangers_words_are_shortened_and_safe_to_print() -> None:
    found = unknown_trigger(PROMPTS, header(5, a={"q\x1b[2J" + "q" * 1000: 5}))
    assert found is not None
    assert found.instead is not None
    assert "\x1b" not in found.instead
    assert len(found.instead) == 43  # 40 characters and three points


def test_counts_are_by_folder_and_case_is_ignored() -> None:
    text = header(a={"Hat": 2, "hat": 1}, b={"hat": 3})["ss_tag_frequency"]
    assert tag_counts(text) == {"a": {"hat": 3}, "b": {"hat": 3}}


def test_a_style_without_a_trigger_lacks_none() -> None:
    tags = {"sea": 17, "night": 8}
    assert unknown_trigger(PROMPTS, header(a=tags)) is None  # 17 of 20 are not nearly all
    assert unknown_trigger(PROMPTS, header(a={**tags, "sea": 18})) == UnknownTrigger(["zibbo"], "sea")


def test_the_tag_of_the_largest_folder_that_shares_one_is_named() -> None:
    folders = {"a": Counter(sea=9, hat=2), "b": Counter(sky=30), "c": Counter(dog=400)}
    dirs = {"a": {"img_count": 10}, "b": {"img_count": 30}, "d": {"img_count": 1}, "e": []}
    assert shared_tag(folders, json.dumps(dirs)) == "sky"  # c has class pictures
    assert shared_tag(folders, json.dumps({"a": {"img_count": 11}})) is None
    assert shared_tag(folders, json.dumps({"a": {"img_count": "10"}})) is None
    assert shared_tag(folders, "no JSON") is None


def test_the_tag_of_nearly_all_captions_anywhere_in_a_prompt_is_enough() -> None:
    captions = header(a={"quolim_critter": 20})
    assert unknown_trigger(["masterpiece, Quolim critter, night"], captions) is None
    assert unknown_trigger(["masterpiece, night"], captions) is not None


@pytest.mark.parametrize("number", ["1" + "0" * 350, "0", "-5", "true"])
def test_numbers_that_no_folder_has_say_nothing(number: str) -> None:
    said = {
        "ss_tag_frequency": f'{{"a": {{"quolim": {number}}}}}',
        "ss_dataset_dirs": f'{{"a": {{"img_count": {number}}}}}',
    }
    assert unknown_trigger(PROMPTS, said) is None
    counted = {"ss_tag_frequency": '{"a": {"quolim": 20}}'}
    assert unknown_trigger(PROMPTS, said | counted) is None


def test_a_tag_without_a_word_is_no_trigger() -> None:
    assert unknown_trigger(PROMPTS, header(a={"_": 20, "of": 20})) is None


def test_a_huge_word_is_not_read_to_its_end() -> None:
    started = time.monotonic()
    assert unknown_trigger(PROMPTS, header(a={"?a=" * 1_000_000: 20})) is not None
    assert time.monotonic() - started < 2  # it took 3 to 6 s to look for passwords in all of it
