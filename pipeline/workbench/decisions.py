"""The files that hold people's decisions: how each is checked, and how an entry is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.captions.edit_file import EDITS, edit_faults, edit_of, edits_of
from pipeline.captions.edit_text import entry_text, value_of
from pipeline.errors import UserError
from pipeline.pictures.by_hand import entries_of
from pipeline.pictures.crop_edits import CROP_EDITS, crop_faults
from pipeline.pictures.left_out import LEFT_OUT_BY_HAND, left_out_of
from pipeline.pictures.waivers import WAIVER_EXAMPLE, WAIVERS, waiver_faults
from pipeline.votes.vote_file import VOTES, vote_faults, votes_of
from pipeline.workbench.kept_comments import on_one_line

Values = dict[str, Any]
"""The content of each entry, by its name."""
LEAST_REASON = 3
"""Letters of a reason."""


@dataclass(frozen=True)
class DecisionFile:
    """`read`: the whole text's entries, by the stage's own reader; `faults`: of one entry, in the stage's
    words; `written`: an entry's lines, from its value and its lines until now.
    """

    name: str
    path: Path
    read: Callable[[str], Values]
    faults: Callable[[str, Any], list[str]]
    written: Callable[[str, Any, str | None], str]


def _tag_edits(text: str) -> Values:
    return {edit.target: value_of(edit) for edit in edits_of(text, EDITS)}


def _tag_entry(name: str, value: Any, old: str | None) -> str:
    return entry_text(edit_of(name, value), old)


def _read_entries(
    path: Path, example: str, faults: Callable[[str, Any], list[str]]
) -> Callable[[str], Values]:
    def read(text: str) -> Values:
        entries = entries_of(text, path, example)
        if problems := [fault for name, value in entries.items() for fault in faults(name, value)]:
            raise UserError(*problems)
        return entries

    return read


def _left_out_faults(name: str, reason: Any) -> list[str]:
    if not isinstance(reason, str) or len(reason.strip()) < LEAST_REASON:
        return [f"{LEFT_OUT_BY_HAND}: {name} needs a reason in words, found {reason!r}"]
    return []


FILES: Mapping[str, DecisionFile] = {
    each.name: each
    for each in (
        DecisionFile("tag_edits", EDITS, _tag_edits, edit_faults, _tag_entry),
        DecisionFile(
            "crop_edits",
            CROP_EDITS,
            _read_entries(CROP_EDITS, "zibbo/photo3: {focus: [120, 80]}", crop_faults),
            crop_faults,
            on_one_line,
        ),
        DecisionFile(
            "waivers",
            WAIVERS,
            _read_entries(WAIVERS, WAIVER_EXAMPLE, waiver_faults),
            waiver_faults,
            on_one_line,
        ),
        DecisionFile("votes", VOTES, votes_of, vote_faults, on_one_line),
        DecisionFile(
            "left_out",
            LEFT_OUT_BY_HAND,
            lambda text: dict(left_out_of(text, LEFT_OUT_BY_HAND)),
            _left_out_faults,
            on_one_line,
        ),
    )
}
