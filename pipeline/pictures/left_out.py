"""data/left_out.yaml: pictures that a person leaves out, a line each, kept in git.

zibbo/zibbo-03: the wrong character     # picture id: reason
"zibbo/old-*": drawn before the redesign # `*` and `?` are wildcards
"""

from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import UserError, nearest
from pipeline.files.atomic import read_jsonl
from pipeline.pictures.by_hand import Names, entries_of, read_entries

LEFT_OUT_BY_HAND = Path("data/left_out.yaml")
LEFT_OUT_ROWS = Path("data/collected/left_out.jsonl")
"""What collect left out, by hand or by a check: a line each."""
BY_HAND_CHECK = "by_hand"
"""The check's name in left_out.jsonl; no setting turns it off."""
LEFT_OUT_EXAMPLE = "zibbo/photo3: the wrong character"
Reasons = dict[str, str]
"""Id or pattern -> reason."""


def read_left_out(path: Path) -> tuple[Reasons, list[str]]:
    """The file's lines (none without a file), and its problems: anything but a reason in words."""
    try:
        entries = read_entries(path, LEFT_OUT_EXAMPLE)
    except UserError as error:
        return {}, list(error.problems)
    return _checked(entries, path)


def left_out_of(text: str, path: Path) -> Reasons:
    """As `read_left_out`, of a text; the problems are a user error."""
    reasons, problems = _checked(entries_of(text, path, LEFT_OUT_EXAMPLE), path)
    if problems:
        raise UserError(*problems)
    return reasons


def _checked(entries: dict[str, object], path: Path) -> tuple[Reasons, list[str]]:
    problems = [
        f"{path}: {name} needs a reason in words, found {reason!r}"
        for name, reason in entries.items()
        if not isinstance(reason, str) or not reason.strip()
    ]
    return {name: str(reason) for name, reason in entries.items()}, problems


def ids_left_out() -> set[str]:
    """Of the last collect: decisions about these pictures wait until they are taken back."""
    rows = read_jsonl(LEFT_OUT_ROWS) if LEFT_OUT_ROWS.exists() else []
    return {row["id"] for row in rows if row["id"] is not None}


class LeftOut:
    """Reasons by picture. An exact id precedes patterns, an earlier pattern a later one."""

    def __init__(self, reasons: Reasons, ids: Iterable[str]) -> None:
        self.reasons, self.names = reasons, Names(reasons, ids)

    def reason(self, picture_id: str) -> str | None:
        """Why the picture is left out; None if it is not."""
        naming = self.names.of(picture_id)
        first = picture_id if picture_id in naming else next(iter(naming), None)
        return None if first is None else self.reasons[first]

    def unknown(self, ids: Iterable[str]) -> list[str]:
        """A sentence for each name or pattern that matches no picture."""
        known = list(ids) if self.names.unknown else []
        return [
            f"{LEFT_OUT_BY_HAND}: {name} matches no picture; {nearest(name, known)}; correct or delete the"
            " line"
            for name in self.names.unknown
        ]
