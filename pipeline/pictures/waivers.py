"""data/waivers.yaml: faults that a person has looked at and accepts, a line each, kept in git.

zibbo/zibbo-03: {blur: he runs}          # picture id: {check: reason}
zibbo/*: {too_small: only scans exist}   # `*` and `?` stand for any letters
"""

from collections.abc import Iterable
from pathlib import Path

from pipeline.config.schemas.collect import FATAL
from pipeline.errors import UserError, nearest
from pipeline.pictures.by_hand import glob, read_entries
from pipeline.pictures.found import Pictures

PATH = Path("data/waivers.yaml")
Lines = dict[tuple[str, str], str]
"""(id or pattern, check) -> reason."""


def read_waivers(path: Path, checks: Iterable[str]) -> tuple[Lines, list[str]]:
    """The file's lines, none where there is no file, and what is wrong with it: misshapen lines, unknown
    checks, missing reasons.
    """
    try:
        entries = read_entries(path, "zibbo/photo3: {blur: he runs}")
    except UserError as error:
        return {}, list(error.problems)
    checks, problems, lines = list(checks), list[str](), Lines()
    for pattern, entry in entries.items():
        if not isinstance(entry, dict) or not entry:
            problems.append(f"{path}: {pattern}: write `{{check: reason}}`, found {entry!r}")
            continue
        for check, reason in entry.items():
            problems += [f"{path}: {pattern}: {text}" for text in _wrong(check, reason, checks)]
            lines[pattern, str(check)] = str(reason)
    return lines, problems


def _wrong(check: object, reason: object, checks: list[str]) -> Iterable[str]:
    if check not in checks:
        yield f"{check!r} is no check; {nearest(str(check), checks)}"
    elif check in FATAL:
        yield (
            f"{check} cannot be waived, there would be no picture;"
            f" mend the file, or set collect.checks.{check}: drop"
        )
    if not isinstance(reason, str) or not reason.strip():
        yield f"{check} needs a reason in words, found {reason!r}"


class Waivers:
    """Reasons by picture and check. An exact id goes before a pattern, a pattern before those below it."""

    def __init__(self, lines: Lines, pictures: Pictures) -> None:
        self.lines, self.pictures = lines, pictures
        self.patterns = [line for line in lines if line[0] not in pictures]
        self.idle = dict.fromkeys(lines)
        """Lines none of whose pictures was asked about."""

    def reason(self, picture_id: str | None, check: str) -> str | None:
        """Why a picture's fault is accepted, if it is."""
        if picture_id is None or not self.lines:
            return None
        naming = [line for line in [(picture_id, check)] if line in self.lines]
        naming += [line for line in self.patterns if line[1] == check and glob(line[0]).fullmatch(picture_id)]
        for line in naming:
            self.idle.pop(line, None)
        return self.lines[naming[0]] if naming else None

    def unknown(self) -> list[str]:
        """A sentence for each name or pattern that is no picture's."""
        left = dict.fromkeys(pattern for pattern, _ in self.patterns)
        for picture_id in self.pictures.ids() if left else ():
            for pattern in [pattern for pattern in left if glob(pattern).fullmatch(picture_id)]:
                del left[pattern]
        return [
            f"{PATH}: {pattern} is no picture; {nearest(pattern, self.pictures.ids())}" for pattern in left
        ]

    def unneeded(self) -> list[str]:
        """Lines none of whose pictures has the fault (any more)."""
        return [
            f"{PATH}: {pattern}: {check} is waived, but no picture of that name has the fault; delete it"
            for pattern, check in self.idle
        ]
