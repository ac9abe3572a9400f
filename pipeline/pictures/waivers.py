"""data/waivers.yaml: faults that a person accepts, a line each, kept in git.

zibbo/zibbo-03: {blur: he runs}          # picture id: {check: reason}
zibbo/*: {too_small: only scans exist}   # `*` and `?` are wildcards
"""

from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import UserError, nearest
from pipeline.pictures.by_hand import Names, read_entries
from pipeline.pictures.found import PictureScan
from pipeline.schemas.collect import CHECKS, FATAL

WAIVERS = Path("data/waivers.yaml")
WAIVER_EXAMPLE = "zibbo/photo3: {blur: he runs}"
WaiverLines = dict[tuple[str, str], str]
"""(id or pattern, check) -> reason."""


def read_waivers(path: Path, checks: Iterable[str]) -> tuple[WaiverLines, list[str]]:
    """The file's lines (none without a file), and its problems: malformed lines, unknown checks, missing
    reasons.
    """
    try:
        entries = read_entries(path, WAIVER_EXAMPLE)
    except UserError as error:
        return {}, list(error.problems)
    problems, lines = list[str](), WaiverLines()
    for pattern, entry in entries.items():
        problems += waiver_faults(pattern, entry, path, checks)
        for check, reason in entry.items() if isinstance(entry, dict) else ():
            lines[pattern, str(check)] = str(reason)
    return lines, problems


def waiver_faults(
    pattern: str, entry: object, path: Path = WAIVERS, checks: Iterable[str] = CHECKS
) -> list[str]:
    """What is wrong with an entry."""
    if not isinstance(entry, dict) or not entry:
        return [f"{path}: {pattern}: write `{{check: reason}}`, found {entry!r}"]
    known = list(checks)
    wrong = (text for check, reason in entry.items() for text in _wrong(check, reason, known))
    return [f"{path}: {pattern}: {text}" for text in wrong]


def _wrong(check: object, reason: object, checks: list[str]) -> Iterable[str]:
    if check not in checks:
        yield f"{check!r} is not a check; {nearest(str(check), checks)}"
    elif check in FATAL:
        yield (
            f"{check} cannot be waived, since there is no usable picture;"
            f" replace the file, or set collect.checks.{check}: drop"
        )
    if not isinstance(reason, str) or not reason.strip():
        quotes = "; put it in quotes" if isinstance(reason, bool | int | float) else ""
        yield f"{check} needs a reason in words, found {reason!r}{quotes}"


class Waivers:
    """Reasons by picture and check. An exact id precedes patterns, an earlier pattern a later one."""

    def __init__(self, lines: WaiverLines, pictures: PictureScan) -> None:
        self.lines, self.pictures = lines, pictures
        self.names = Names((name for name, _ in lines), pictures.ids())
        self.unused = dict.fromkeys(lines)
        """Lines that have matched no fault so far."""

    def reason(self, picture_id: str | None, check: str) -> str | None:
        """The reason if a picture's fault is accepted, else None."""
        if picture_id is None:
            return None
        naming = [(name, check) for name in self.names.of(picture_id) if (name, check) in self.lines]
        for line in naming:
            self.unused.pop(line, None)
        first = min(naming, key=lambda line: line[0] != picture_id, default=None)
        return self.lines[first] if first else None

    def unknown(self) -> list[str]:
        """A sentence for each name or pattern that matches no picture."""
        return [
            f"{WAIVERS}: {name} matches no picture; {nearest(name, self.pictures.ids())}"
            for name in self.names.unknown
        ]

    def unneeded(self) -> list[str]:
        """Sentences about waivers that no picture needs (any more)."""
        return [
            f"{WAIVERS}: {name}: {check} is waived, but no such picture has the fault; delete the waiver"
            for name, check in self.unused
        ]
