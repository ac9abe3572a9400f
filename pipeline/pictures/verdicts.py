"""What becomes of a picture's faults: levels from conf/, waivers from git, then a verdict. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.config.schemas.collect import FATAL

Verdict = Literal["ok", "warn", "waived", "dropped", "error"]


@dataclass(frozen=True)
class Fault:
    """One check that one picture fails: `where` is what the user calls the file, `id` the picture's (None
    where it never became one).
    """

    check: str
    where: str
    sentence: str
    id: str | None = None

    @property
    def name(self) -> str:
        """The URL, or the file's name without the place where it lies."""
        return self.where if "://" in self.where else self.where.rpartition("/")[2]

    def __str__(self) -> str:
        waivable = self.id is not None and self.check not in FATAL
        return f"{self.where}: {self.sentence} [{f'{self.id}: ' if waivable else ''}{self.check}]"


@dataclass(frozen=True)
class Ruling:
    """A fault that counts, and what it leads to; `reason` is that of its waiver."""

    fault: Fault
    verdict: Verdict
    reason: str = ""

    @property
    def note(self) -> str:
        """The sentence that stands in the picture's record."""
        waived = f"; waived: {self.reason}" if self.verdict == "waived" else ""
        return f"{self.fault.check}: {self.fault.sentence}{waived}"


LEVELS: dict[str, Verdict] = {"error": "error", "drop": "dropped", "warn": "warn"}
GRAVITY: tuple[Verdict, ...] = ("error", "dropped", "warn", "waived", "ok")


def rule(
    faults: Iterable[Fault], levels: Mapping[Any, str], waivers: Mapping[tuple[str | None, str], str]
) -> list[Ruling]:
    """The faults whose check is not `off`, each ruled on; `waivers`: (picture id, check) -> reason."""
    rulings = []
    for fault in faults:
        level = levels[fault.check]
        reason = None if fault.check in FATAL else waivers.get((fault.id, fault.check))
        if level == "off":
            continue
        rulings.append(Ruling(fault, LEVELS[level]) if reason is None else Ruling(fault, "waived", reason))
    return rulings


def gravest(rulings: Iterable[Ruling]) -> Verdict:
    """The verdict on a picture with these rulings."""
    return min((ruling.verdict for ruling in rulings), key=GRAVITY.index, default="ok")
