"""Entries written line by line, compared with ruamel.yaml's reading and writing of the whole file."""

from pathlib import Path
from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from pipeline.captions.edit_file import edits_of
from pipeline.captions.edit_text import entry_text, rewritten
from pipeline.captions.edits import Edit
from pipeline.files.yaml_entries import Entries, NotIndexedError, indexed

FILE = Path("data/tag_edits.yaml")
signs = some.sampled_from("abé0139 _-.:#'\"\\*?&[]{},|>%@`~!\t\n=<少\u2028\x7f")
words = some.text(signs, min_size=1, max_size=8)
ids = some.builds("zib/{}".format, words) | words
tags = some.lists(words, max_size=3).map(tuple)


@some.composite
def edits(draw: some.DrawFn) -> Edit:
    target = draw(ids)
    if draw(some.booleans()):
        return Edit(target, set=draw(some.text(signs, max_size=8)))
    one = Edit(target, draw(tags), draw(tags), draw(some.dictionaries(words, tags, max_size=2)))
    return one if one.add or one.remove or one.replace else Edit(target, remove=("hat",))


comments = some.sampled_from(["", "", "# a line\n", "\n", "# two\n\n# lines\n"])
files = some.lists(some.tuples(comments, edits()), max_size=5, unique_by=lambda pair: pair[1].target)


def text_of(blocks: list[tuple[str, Edit]], tail: str) -> str:
    return "".join(comment + entry_text(edit) for comment, edit in blocks) + tail


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files, comments, some.lists(edits(), max_size=3, unique_by=lambda edit: edit.target))
def test_it_reads_as_what_ruamel_writes_and_leaves_the_other_lines(
    blocks: list[tuple[str, Edit]], tail: str, new: list[Edit]
) -> None:
    before = text_of(blocks, tail)
    entries = indexed(before)
    after = entries.changed({edit.target: entry_text(edit) for edit in new}).text
    if blocks or new:
        assert edits_of(after) == edits_of(rewritten(before, new))
    theirs = {edit.target for edit in new}
    old = Entries(tuple(block for block in entries.blocks if block.name not in theirs))
    kept = Entries(tuple(block for block in indexed(after).blocks if block.name not in theirs))
    if old.places:
        assert kept.text.removesuffix("\n") == old.text.removesuffix("\n")


@settings(max_examples=40, deadline=None)
@given(files, comments)
def test_an_entry_added_and_taken_away_leaves_the_same_bytes(
    blocks: list[tuple[str, Edit]], tail: str
) -> None:
    entries = indexed(text_of(blocks, tail))
    new = Edit("not/there", remove=("hat",))
    again = entries.changed({new.target: entry_text(new)}).changed({new.target: None})
    assert again.text == entries.text


def test_the_last_entry_leaves_braces_and_the_comments() -> None:
    entries = indexed("# why\nzib/1:\n  add: [x]  # here\n# below\nzib/2: {add: [y]}\n")
    assert entries.changed({"zib/1": None}).text == "# why\n# below\nzib/2: {add: [y]}\n"
    assert entries.changed({"zib/1": None, "zib/2": None}).text == "# why\n# below\n{}\n"
    assert indexed("# why\n{}\n").changed({"a": "a: {add: [x]}\n"}).text == "# why\na: {add: [x]}\n"


def test_comments_inside_an_entry_stay() -> None:
    old = "zib/1:\n  # of old\n  remove: [hat]  # really\n  add: [x]\n"
    text = indexed(old).changed({"zib/1": entry_text(Edit("zib/1", add=("y",), remove=("hat",)), old)}).text
    assert "# of old" in text
    assert edits_of(text) == [Edit("zib/1", add=("y",), remove=("hat",))]


def test_lines_of_windows_stay_what_they_are() -> None:
    after = indexed("a: {add: [x]}\r\nb: {add: [x]}\r\n").changed({"b": None}).text
    assert after == "a: {add: [x]}\r\n"


def test_a_mark_before_the_first_entry_stays() -> None:
    text = "# mine\n--- # begins\na: {add: [x]} # kept\nb: {add: [x]}\n"
    assert indexed(text).changed({"b": None}).text == "# mine\n--- # begins\na: {add: [x]} # kept\n"


def test_an_untouched_list_keeps_its_comments() -> None:
    old = "zib/1:\n  remove:\n    - a # wrong\n    - b\n  add: [c]\n"
    new = entry_text(Edit("zib/1", remove=("a", "b"), add=("c", "d")), old)
    assert "- a   # wrong\n" in new
    assert "add: [c, d]" in new


@pytest.mark.parametrize(
    "text",
    [
        "{a: {add: [x]}}\n", "a: {add: [x]}\n---\nb: {add: [x]}\n",
        "a: &t {add: [x]}\nb: *t\n", "? a\n: {add: [x]}\n",
        " a: {add: [x]}\n", "- a\n", "a: {add: [x]}\rb: {add: [x]}\n",
    ],
)  # fmt: skip
def test_other_forms_are_left_to_ruamel(text: str) -> None:
    with pytest.raises(NotIndexedError):
        indexed(text)


def test_one_entry_of_five_thousand_costs_little() -> None:
    entries = indexed("".join(entry_text(Edit(f"zib/{n:05}", add=("a", "b c"))) for n in range(5000)))
    new = Edit("zib/02500", remove=("hat",))
    before = process_time()
    assert entries.changed({new.target: entry_text(new)}).text.count("hat") == 1
    assert process_time() - before < 0.05


def test_signs_that_need_quotes_are_read_back() -> None:
    edit = Edit("zib/?", remove=("a?", "?"), add=("-", "x: y", ":d"))
    assert edits_of(entry_text(edit)) == edits_of(rewritten("", [edit])) == [edit]
