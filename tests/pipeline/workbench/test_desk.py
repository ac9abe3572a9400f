"""Decisions written by compare and swap, undone and done again, over the files in git."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from pipeline.captions.edit_file import EDITS, edits_of
from pipeline.errors import UserError
from pipeline.pictures.crop_edits import CROP_EDITS
from pipeline.pictures.left_out import LEFT_OUT_BY_HAND
from pipeline.pictures.waivers import WAIVERS
from pipeline.votes.vote_file import VOTES
from pipeline.workbench import edited_file
from pipeline.workbench.desk import Desk
from pipeline.workbench.edited_file import ConflictError
from pipeline.workbench.journal import Journal
from tests.pipeline.workbench.server import ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "data", "data", ignore=lambda _, names: [n for n in names if "." not in n])
    return tmp_path


def test_an_entry_is_written_below_the_comments_as_a_person_would(project: Path) -> None:
    before = WAIVERS.read_text()
    Desk().write("waivers", {"zib/1": {"blur": "he runs: fast"}}, None, "waived")
    assert WAIVERS.read_text() == before.removesuffix("{}\n") + 'zib/1: {blur: "he runs: fast"}\n'


def test_the_last_entry_taken_away_leaves_the_file_as_it_was(project: Path) -> None:
    before, desk = LEFT_OUT_BY_HAND.read_bytes(), Desk()
    desk.write("left_out", {"zib/1": "bad quality"}, None, "out")
    desk.write("left_out", {"zib/1": None}, None, "back")
    assert LEFT_OUT_BY_HAND.read_bytes() == before


def test_two_pages_may_change_different_pictures_but_not_the_same(project: Path) -> None:
    desk = Desk()
    seen = desk.hashes()["left_out"]
    desk.write("left_out", {"zib/1": "bad quality"}, seen, "out")
    desk.write("left_out", {"zib/2": "duplicate"}, seen, "out")
    with pytest.raises(ConflictError) as error:
        desk.write("left_out", {"zib/1": "wrong subject", "zib/3": "x y z"}, seen, "out")
    assert error.value.entries == {"zib/1": (None, "bad quality")}
    assert desk.values("left_out") == {"zib/1": "bad quality", "zib/2": "duplicate"}


def test_an_editor_that_saves_meanwhile_loses_nothing(project: Path) -> None:
    desk = Desk()
    seen = desk.hashes()["tag_edits"]
    EDITS.write_text("# mine\nzib/1:\n  remove: [hat] # ugly\n")
    with pytest.raises(ConflictError):
        desk.write("tag_edits", {"zib/1": {"add": ["cap"]}}, seen, "cap")
    desk.write("tag_edits", {"zib/2": {"add": ["cap"]}}, seen, "cap")
    assert EDITS.read_text() == "# mine\nzib/1:\n  remove: [hat] # ugly\nzib/2:\n  add: [cap]\n"


def test_what_the_stage_would_refuse_is_refused_in_its_words(project: Path) -> None:
    before, desk = WAIVERS.read_bytes(), Desk()
    with pytest.raises(UserError, match="blurr"):
        desk.write("waivers", {"zib/1": {"blurr": "he runs"}}, None, "waived")
    with pytest.raises(UserError, match="needs a reason in words"):
        desk.write("left_out", {"zib/1": "no"}, None, "out")
    assert WAIVERS.read_bytes() == before


def test_a_broken_file_is_a_sentence_and_stays_as_it_is(project: Path) -> None:
    EDITS.write_text("zib/1: {add: [")
    with pytest.raises(UserError, match="tag_edits"):
        Desk().write("tag_edits", {"zib/2": {"add": ["cap"]}}, None, "cap")
    assert EDITS.read_text() == "zib/1: {add: ["


def test_undo_after_another_program_has_added_lines_takes_back_only_the_step(project: Path) -> None:
    desk = Desk()
    desk.write("left_out", {"zib/1": "bad quality"}, None, "1 picture left out")
    with LEFT_OUT_BY_HAND.open("a") as file:
        file.write("zib/9: theirs\n")
    assert desk.undo() == "Undone: 1 picture left out"
    assert desk.values("left_out") == {"zib/9": "theirs"}
    assert desk.redo() == "Done again: 1 picture left out"
    assert desk.values("left_out") == {"zib/9": "theirs", "zib/1": "bad quality"}


def test_undo_of_an_entry_that_another_program_has_changed_leaves_it_and_goes_on(project: Path) -> None:
    desk = Desk()
    desk.write("left_out", {"zib/2": "bad quality"}, None, "first out")
    desk.write("left_out", {"zib/1": "bad quality"}, None, "second out")
    LEFT_OUT_BY_HAND.write_text("zib/2: bad quality\nzib/1: theirs\n")
    with pytest.raises(UserError, match="left as it is: second out; another program has changed zib/1"):
        desk.undo()
    assert LEFT_OUT_BY_HAND.read_text() == "zib/2: bad quality\nzib/1: theirs\n"
    assert Desk().undo() == "Undone: first out"  # also after a restart
    assert LEFT_OUT_BY_HAND.read_text() == "zib/1: theirs\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('x: {focus: [1, 2]} # why: "quoted"\n', 'x: {focus: [5, 6]} # why: "quoted"\n'),
        ("x: {focus: [1, 2]}   # don't\n", "x: {focus: [5, 6]}   # don't\n"),
        ("x: # the eyes\n  focus: [1, 2] # left one\n", "x: # the eyes\n  focus: [5, 6] # left one\n"),
        ("---\n# mine\nx: {focus: [1, 2]} # a\n", "---\n# mine\nx: {focus: [5, 6]} # a\n"),
        ("\ufeffx: {focus: [1, 2]} # a\r\n", "\ufeffx: {focus: [5, 6]} # a\r\n"),
    ],
)
def test_comments_line_ends_and_marks_stay(project: Path, old: str, new: str) -> None:
    CROP_EDITS.write_text(old, encoding="utf-8", newline="")
    desk = Desk()
    desk.write("crop_edits", {"x": {"focus": [5, 6]}}, None, "moved")
    assert CROP_EDITS.read_bytes().decode() == new
    desk.undo()
    assert CROP_EDITS.read_bytes().decode() == old


@pytest.mark.parametrize("text", ["{x: {focus: [1, 2]}} # a\n", "x: &a {focus: [1, 2]}\ny: *a\n"])
def test_a_form_whose_comments_or_anchors_would_be_lost_is_refused(project: Path, text: str) -> None:
    CROP_EDITS.write_text(text)
    with pytest.raises(UserError, match="cannot be changed entry by entry"):
        Desk().write("crop_edits", {"x": {"focus": [5, 6]}}, None, "moved")
    assert CROP_EDITS.read_text() == text


def test_a_file_that_its_stage_would_refuse_does_not_stop_the_pages_of_others(project: Path) -> None:
    VOTES.write_text("nonsense: left\n")
    hashes = Desk().hashes()
    assert hashes["votes"] == ""
    assert len(hashes["left_out"]) == 64


def test_steps_outlive_the_process_and_a_torn_last_line(project: Path) -> None:
    before = LEFT_OUT_BY_HAND.read_bytes()
    Desk().write("left_out", {"zib/1": "bad quality"}, None, "out")
    journal = Path(".athanor/workbench/journal.jsonl")
    with journal.open("a") as file:
        file.write('{"kind": "step", "step": {"fi')
    Desk().undo()
    assert LEFT_OUT_BY_HAND.read_bytes() == before
    with pytest.raises(UserError, match="nothing to undo"):
        Desk().undo()


class KilledError(BaseException):
    """As a kill: no handler may take it."""


def killed(*_: object, **__: object) -> None:
    raise KilledError


@pytest.mark.parametrize("moment", ["before the write", "after the write"])
def test_a_kill_in_the_middle_of_a_step_undo_or_redo_leaves_what_the_file_says(
    project: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    first = LEFT_OUT_BY_HAND.read_bytes()
    is_written = moment == "after the write"

    def kill_in(act: Callable[[Desk], object]) -> Desk:
        desk = Desk()
        with monkeypatch.context() as patch, pytest.raises(KilledError):
            if is_written:
                patch.setattr(Journal, "note", killed)
            else:
                patch.setattr(edited_file, "write_bytes", killed)
            act(desk)
        return Desk()

    desk = kill_in(lambda desk: desk.write("left_out", {"zib/1": "blurred"}, None, "out"))
    assert len(desk.journal.done) == is_written
    desk.write("left_out", {"zib/1": "blurred"}, None, "out")
    second = LEFT_OUT_BY_HAND.read_bytes()
    desk = kill_in(Desk.undo)
    assert (len(desk.journal.done), len(desk.journal.undone)) == ((0, 1) if is_written else (1, 0))
    if not is_written:
        desk.undo()
    assert LEFT_OUT_BY_HAND.read_bytes() == first
    desk = kill_in(Desk.redo)
    if not is_written:
        desk.redo()
    assert LEFT_OUT_BY_HAND.read_bytes() == second
    assert Desk().undo() == "Undone: out"
    assert LEFT_OUT_BY_HAND.read_bytes() == first


changes = some.dictionaries(
    some.sampled_from(["zib/1", "zib/2", "zib/*", "a: b", "é"]),
    some.none()
    | some.builds(lambda tag: {"remove": [tag]}, some.sampled_from(["hat", "* sky", "3_3", "yes"])),
    min_size=1,
    max_size=3,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.lists(changes, max_size=6))
def test_undoing_all_steps_gives_the_first_bytes_and_redoing_them_the_last(
    project: Path, steps: list[dict[str, Any]]
) -> None:
    shutil.rmtree(".athanor", ignore_errors=True)
    shutil.copy(ROOT / "data/tag_edits.yaml", EDITS)
    first, desk = EDITS.read_bytes(), Desk()
    for number, step in enumerate(steps):
        desk.write("tag_edits", step, None, str(number))
    last, done = EDITS.read_bytes(), len(desk.journal.done)
    for _ in range(done):
        desk.undo()
    assert EDITS.read_bytes() == first
    for _ in range(done):
        desk.redo()
    assert EDITS.read_bytes() == last
    assert {edit.target for edit in edits_of(last.decode(), EDITS)} == desk.values("tag_edits").keys()
