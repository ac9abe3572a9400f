"""Captions of several kinds side by side, from tags.jsonl to captions.jsonl."""

from typing import Any

import pytest

from pipeline.captions.caption import CaptionWriter
from pipeline.captions.edit_file import edits_of
from pipeline.captions.edit_text import entry_text
from pipeline.captions.edits import Edit
from pipeline.captions.finished import Caption
from pipeline.captions.idle import odd_kinds
from pipeline.captions.kinds import finished_text
from pipeline.captions.preview import preview
from pipeline.captions.thresholds import mean_thresholds, with_thresholds
from pipeline.captions.written_text import tidy_answer
from pipeline.errors import UserError
from pipeline.files.atomic import write_json
from pipeline.files.json_text import read_mapping
from pipeline.schemas import FilterTagsConfig
from tests.pipeline.captions.filter_tags_config import PLAIN


def settings(**changes: Any) -> FilterTagsConfig:
    return FilterTagsConfig.model_validate({**PLAIN, "trigger": "zib", **changes})


def row(**changes: Any) -> dict[str, Any]:
    captions = {"sentence": "A dog runs on grass. The sky is blue.", "short": "Zib, a dog."}
    return {
        "id": "x/1", "concept": "x", "is_class": False, "caption": None, "sentence": None,
        "scores": {"general": {"smile": 0.9, "hat": 0.5}}, "captions": captions, **changes,
    }  # fmt: skip


def caption(config: FilterTagsConfig, *edits: Edit, **changes: Any) -> Caption:
    [(_, made)] = CaptionWriter([row(**changes)], config).captions(list(edits))
    return made


def test_other_kinds_stand_next_to_the_tags_with_the_trigger_once() -> None:
    made = caption(settings())
    assert made.text == "zib, smile, hat"
    assert made.kinds == {
        "sentence": "zib, A dog runs on grass. The sky is blue.",
        "short": "Zib, a dog.",
    }


def test_class_pictures_have_no_trigger_and_empty_answers_are_no_captions() -> None:
    assert caption(settings(), is_class=True).kinds["sentence"] == "A dog runs on grass. The sky is blue."
    assert caption(settings(), captions={"sentence": "", "short": "a"}).kinds == {"short": "zib, a"}
    plain = row()
    del plain["captions"]
    assert next(iter(CaptionWriter([plain], settings()).captions([])))[1].kinds == {}


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (None, "zib, A dog runs on grass. The sky is blue."),
        (10, "zib, A dog runs on grass."),  # zib , a dog runs on grass . are 9 or 10 tokens
        (1, "zib"),
    ],
)
def test_a_text_over_the_limit_loses_its_last_parts(most: int | None, expected: str) -> None:
    made = finished_text("A dog runs on grass. The sky is blue.", "zib", settings(max_tokens=most))
    assert made == expected


def test_brackets_are_escaped_as_in_other_captions() -> None:
    assert finished_text("a dog (small)", None, settings(escape=True)) == r"a dog \(small\)"


def test_a_person_replaces_a_kind_and_the_last_entry_wins() -> None:
    every = Edit("*", captions={"sentence": "first", "long": "third"})
    made = caption(settings(), every, Edit("x/1", add=("red",), captions={"sentence": "second (as is)"}))
    assert made.text == "zib, smile, hat, red"
    assert made.kinds == {"long": "third", "sentence": "second (as is)", "short": "Zib, a dog."}


def test_a_kind_that_the_captioner_does_not_write_is_told() -> None:
    edits = [Edit("x/1", captions={"sentense": "a", "short": "b"}), Edit("x/2", add=("c",))]
    writer = CaptionWriter([row()], settings())
    assert writer.kinds == {"sentence", "short"}
    [problem] = odd_kinds(edits, writer.kinds)
    assert problem.startswith("x/1: captions.sentense is of a kind that no other picture has")
    assert "sentence" in problem


def test_entries_with_captions_are_read_and_written_alike() -> None:
    text = 'x/1:\n  set: "zib"\n  captions: {sentence: "one: two"}\n'
    [edit] = edits_of(text)
    assert edit == Edit("x/1", set="zib", captions={"sentence": "one: two"})
    assert edits_of(entry_text(edit)) == [edit]
    other = Edit("x/2", remove=("hat",), captions={"short": "a, b"})
    assert edits_of(entry_text(other)) == [other]
    assert edits_of(entry_text(edit, "x/1: # mine\n  add: [a] # why\n")) == [edit]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("captions: [a]", r"captions must be \{kind: text\}"),
        ("captions: {sentence: ''}", r"captions must be \{kind: text\}"),
        ("captions: {tags: a}", r"captions\.tags: this caption is `set`"),
    ],
)
def test_entries_that_mean_nothing_are_a_sentence(entry: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        edits_of(f"x/1:\n  {entry}\n")


def test_a_kind_can_join_the_tags_instead() -> None:
    config = settings(sentence_kind="sentence", sentence="append")
    assert caption(config).text == "zib, smile, hat, A dog runs on grass. The sky is blue"
    assert caption(settings(sentence_kind="short"), sentence="BLIP's").text == "zib, a dog, smile, hat"
    assert caption(settings(sentence_kind="odd")).text == "zib, smile, hat"


def test_the_preview_shows_each_kind() -> None:
    lines = preview({"x/1": caption(settings())}, colour=False).splitlines()
    assert lines[:4] == [
        "x/1",
        "  zib, smile, hat",
        "  sentence: zib, A dog runs on grass. The sky is blue.",
        "  short: Zib, a dog.",
    ]


@pytest.mark.parametrize(
    ("text", "is_cut", "tidy"),
    [
        (' "A dog\n\non grass." ', False, "A dog on grass."),
        ('"A" and "B"', False, '"A" and "B"'),
        ("A dog runs. The sky is", True, "A dog runs."),
        ("It costs 3.5 dollars, in a", True, "It costs 3.5 dollars"),
        ("no end at all", True, "no end at all"),
        ("A\u202edog\x07", False, "Adog"),
    ],
)
def test_answers_become_one_whole_line(text: str, is_cut: bool, tidy: str) -> None:
    assert tidy_answer(text, is_cut) == tidy


def test_thresholds_of_the_model_are_those_of_its_files(tmp_path: Any) -> None:
    stated = mean_thresholds([{"general": 0.3, "character": 0.85}, {"general": 0.4}, {}])
    assert stated == {"character": 0.85, "general": 0.35}
    write_json(tmp_path / "thresholds.json", stated)
    asked = settings(threshold="model", character_threshold="model", meta_threshold="model")
    found = with_thresholds(asked, tmp_path)
    numbers = (found.threshold, found.character_threshold, found.meta_threshold, found.artist_threshold)
    assert numbers == (0.35, 0.85, 0.35, 0.85)  # meta has none, so it follows general; artist is as set
    assert read_mapping(tmp_path / "thresholds.json") == stated
    assert with_thresholds(settings(), tmp_path) == settings()
    with pytest.raises(UserError, match=r"filter_tags\.threshold, character_.*, meta_threshold: model, but"):
        with_thresholds(asked, tmp_path / "none")
