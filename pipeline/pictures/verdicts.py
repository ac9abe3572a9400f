"""Decides on pictures' faults: levels from conf/ and waivers from git give a verdict."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, Literal

from pipeline.files.sorted_rows import SortedRows
from pipeline.pictures.left_out import BY_HAND_CHECK
from pipeline.schemas.collect import FATAL

PictureVerdict = Literal["ok", "warn", "waived", "dropped", "error"]


@dataclass(frozen=True)
class Fault:
    """One failed check of one picture: `where` is the file's path as the user knows it, `id` the picture's
    (None if it never became one), `other` the id of the picture that it is compared with.
    """

    check: str
    where: str
    sentence: str
    id: str | None = None
    other: str | None = None
    measured: float | None = None
    limit: float | None = None
    marks: tuple[tuple[float, ...], ...] = ()
    """Boxes of what was found: left, top, width and height as fractions of the picture's sides."""

    @property
    def name(self) -> str:
        """The URL, or the file's name without its folder."""
        return self.where if "://" in self.where else self.where.rpartition("/")[2]

    def __str__(self) -> str:
        waivable = self.id is not None and self.check not in FATAL
        return f"{self.where}: {self.sentence} [{f'{self.id}: ' if waivable else ''}{self.check}]"


@dataclass(frozen=True)
class Ruling:
    """A fault that counts, and its verdict; `reason`: of its waiver."""

    fault: Fault
    verdict: PictureVerdict
    reason: str = ""

    @property
    def note(self) -> str:
        """The sentence in the picture's record."""
        waived = f"; waived: {self.reason}" if self.verdict == "waived" else ""
        return f"{self.fault.check}: {self.fault.sentence}{waived}"


VERDICT_OF_LEVEL: dict[str, PictureVerdict] = {"error": "error", "drop": "dropped", "warn": "warn"}
SEVERITY: tuple[PictureVerdict, ...] = ("error", "dropped", "warn", "waived", "ok")


class Rulings:
    """Faults whose check is not `off`, with their verdicts, by `where` and check; on disk, since every
    picture may have several.
    """

    def __init__(self, levels: Mapping[Any, str], reason_of: Callable[[str | None, str], str | None]) -> None:
        """`reason_of`: gives the reason of a waiver, if any, by picture id and check."""
        self.levels, self.reason_of, self.rows = {**levels, BY_HAND_CHECK: "drop"}, reason_of, SortedRows()

    def add(self, fault: Fault, number: int | None = None) -> PictureVerdict:
        """Records a fault, with its picture's number if any; returns the verdict."""
        if (level := self.levels[fault.check]) == "off":
            return "ok"
        reason = None if fault.check in FATAL else self.reason_of(fault.id, fault.check)
        verdict = VERDICT_OF_LEVEL[level] if reason is None else "waived"
        row = (number, *astuple(fault), verdict, reason or "")
        self.rows.add(fault.where, fault.check, row)
        return verdict

    def __iter__(self) -> Iterator[Ruling]:
        return map(_ruling, self.rows)

    def of(self, where: str, number: int) -> list[Ruling]:
        """The rulings on one picture."""
        return [_ruling(row) for row in self.rows.of(where) if row[0] == number]


def _ruling(row: Sequence[Any]) -> Ruling:
    _, *fault, marks, verdict, reason = row
    return Ruling(replace(Fault(*fault), marks=tuple(map(tuple, marks))), verdict, reason)


def most_severe(rulings: Iterable[Ruling]) -> PictureVerdict:
    """The verdict on a picture with these rulings."""
    return min((ruling.verdict for ruling in rulings), key=SEVERITY.index, default="ok")
