"""Bulk actions: their previews are what filter-tags then writes."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.many_pictures import make_set
from pipeline.captions.caption import CaptionWriter
from pipeline.captions.edit_file import EDITS, read_edits
from pipeline.config.graph_file import read_own_yaml
from pipeline.errors import UserError
from pipeline.files.atomic import read_jsonl, write_jsonl
from pipeline.schemas import FilterTagsConfig
from pipeline.workbench.actions import TagAction
from pipeline.workbench.board import Board
from pipeline.workbench.bulk import found_and_replaced, planned, previewed

TAGS = {
    "zib/critter-00000": {"smile": 0.9, "hat_box": 0.8, "cap": 0.7},
    "zib/critter-00001": {"smile": 0.9, "red_sky": 0.8, "blue_sky": 0.7},
    "zib/critter-00002": {"cap": 0.9},
}


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    monkeypatch.chdir(make_set(tmp_path / "set", 3, identity_lists=[], order="score"))
    rows = [
        {**row, "scores": {"general": TAGS[row["id"]]}} for row in read_jsonl(Path("data/tags/tags.jsonl"))
    ]
    write_jsonl(Path("data/tags/tags.jsonl"), rows)
    return Board().refresh()


def everything(board: Board) -> list[str]:
    return [picture.id for picture in board.index.pictures]


def texts(board: Board) -> list[str]:
    board.refresh()
    return [board.captions.captions[name].text for name in everything(board)] if board.captions else []


def done(board: Board, action: TagAction, rule: str | None = None, ids: list[str] | None = None) -> None:
    plan = planned(board, ids or everything(board), action, rule)
    board.desk.write("tag_edits", plan.changes, None, "done")


def by_the_stage() -> list[str]:
    """The captions that the stage would write now."""
    config = FilterTagsConfig.model_validate(read_own_yaml(Path("params.resolved.yaml"))["filter_tags"])
    rows: Any = list(read_jsonl(Path("data/tags/tags.jsonl")))
    writer = CaptionWriter(rows, config)
    return [caption.text for _, caption in writer.captions(read_edits(EDITS))]


FIRST = ["zibbo, smile, hat box, cap", "zibbo, smile, red sky, blue sky", "zibbo, cap"]


@pytest.mark.parametrize(
    ("action", "after", "entries"),
    [
        (
            TagAction("remove", ("* sky",)),
            ["zibbo, smile, hat box, cap", "zibbo, smile", "zibbo, cap"],
            {"zib/critter-00001": {"remove": ["* sky"]}},
        ),
        (
            TagAction("add", ("cap", "night")),
            [
                "zibbo, smile, hat box, cap, night",
                "zibbo, smile, red sky, blue sky, cap, night",
                "zibbo, cap, night",
            ],
            {
                "zib/critter-00000": {"add": ["night"]},
                "zib/critter-00001": {"add": ["cap", "night"]},
                "zib/critter-00002": {"add": ["night"]},
            },
        ),
        (
            TagAction("replace", ("cap",), ("hat", "red")),
            ["zibbo, smile, hat box, hat, red", "zibbo, smile, red sky, blue sky", "zibbo, hat, red"],
            {
                "zib/critter-00000": {"replace": {"cap": ["hat", "red"]}},
                "zib/critter-00002": {"replace": {"cap": ["hat", "red"]}},
            },
        ),
    ],
    ids=["remove", "add", "replace"],
)
def test_an_action_writes_entries_only_where_it_changes_a_caption(
    board: Board, action: TagAction, after: list[str], entries: dict[str, Any]
) -> None:
    assert texts(board) == FIRST == by_the_stage()
    seen = previewed(planned(board, everything(board), action))
    done(board, action)
    assert texts(board) == after == by_the_stage()
    assert board.desk.values("tag_edits") == entries
    assert [change["after"] for change in seen["pictures"]] == [
        new for old, new in zip(FIRST, after, strict=True) if old != new
    ]


def test_a_tag_added_and_removed_leaves_no_trace(board: Board) -> None:
    before = EDITS.read_bytes()
    done(board, TagAction("add", ("night",)))
    board.refresh()
    done(board, TagAction("remove", ("night",)))
    assert EDITS.read_bytes() == before
    assert texts(board) == FIRST


def test_a_tag_removed_by_hand_comes_back_when_it_is_added(board: Board) -> None:
    had = ["zib/critter-00000", "zib/critter-00002"]
    done(board, TagAction("remove", ("cap",)))
    board.refresh()
    done(board, TagAction("add", ("cap",)), ids=had)
    assert board.desk.values("tag_edits") == {}
    assert texts(board) == FIRST


def test_a_rule_is_one_line_for_its_pattern(board: Board) -> None:
    done(board, TagAction("remove", ("cap",)), rule="zib/*")
    assert EDITS.read_text().endswith('"zib/*":\n  remove: [cap]\n')
    assert texts(board) == ["zibbo, smile, hat box", FIRST[1], "zibbo"] == by_the_stage()


def test_a_written_caption_is_kept_to_the_letter_and_taken_back(board: Board) -> None:
    done(board, TagAction("set", text="zibbo,  a (tall) hat, \"cap\": 'x' # y"))
    assert texts(board) == ["zibbo,  a (tall) hat, \"cap\": 'x' # y"] * 3 == by_the_stage()
    done(board, TagAction("reset"))
    assert texts(board) == FIRST


def test_a_preview_warns_of_a_lost_trigger_and_of_too_many_tokens(board: Board) -> None:
    lost = previewed(planned(board, everything(board)[:1], TagAction("remove", ("zibbo",))))
    assert lost["pictures"][0]["warnings"] == ["the trigger zibbo is gone"]
    long = ", ".join(["word"] * 40)
    (change,) = previewed(planned(board, everything(board)[:1], TagAction("set", text=f"zibbo, {long}")))[
        "pictures"
    ]
    # zibbo is two tokens; each of the 40 commas and words is one.
    assert change["warnings"] == ["82 tokens, over 75: what is beyond may be cut off"]


def test_an_expression_finds_and_replaces(board: Board) -> None:
    found = found_and_replaced({"a": "red sky, sky", "b": "sea"}, r"(\w+) sky", r"\1 sea")
    assert found == {"a": "red sea, sky"}


@pytest.mark.parametrize(
    ("find", "said"), [("(", "unterminated subpattern"), ("(a+)+$", "takes longer than")]
)
def test_a_wrong_or_endless_expression_is_a_sentence(find: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        found_and_replaced({"x": "a" * 40 + "!"}, find, "")


def test_captions_of_another_edit_are_written_when_asked_for(board: Board) -> None:
    """The stale ones are written at the latest when a preview or a row shows them."""
    EDITS.write_text('"zib/*": {remove: [smile]}\n')
    board.refresh(0)
    board.freshen(everything(board)[1:2])
    assert board.row(1)["caption"] == "zibbo, red sky, blue sky"
    board.refresh()
    assert board.num_stale == 0
    assert texts(board)[0] == "zibbo, hat box, cap"


def test_captions_of_all_are_written_until_another_waits(board: Board) -> None:
    live = board.captions
    assert live is not None
    live.stale = set(live.rows.starts)
    number = len(live.stale)
    assert len(live.freshen(seconds=60, is_awaited=lambda: True)) == 1
    assert len(live.freshen(sorted(live.stale)[:2], is_awaited=lambda: True)) == 2  # those that are asked for
    assert len(live.freshen(seconds=60)) == number - 3
