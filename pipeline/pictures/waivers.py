"""data/waivers.yaml: faults that a person has looked at and accepts, a line each, kept in git.

zibbo/zibbo-03: {blur: he runs}          # picture id: {check: reason}
zibbo/*: {too_small: only scans exist}   # `*` and `?` stand for any letters
"""

from collections.abc import Collection, Iterable
from pathlib import Path

from pipeline.config.schemas.collect import FATAL
from pipeline.errors import UserError, nearest
from pipeline.pictures.by_hand import named, read_entries

PATH = Path("data/waivers.yaml")
Waivers = dict[tuple[str, str], str]
"""(id or pattern, check) -> reason."""
ByPicture = dict[tuple[str | None, str], str]


def read_waivers(path: Path, checks: Iterable[str]) -> tuple[Waivers, list[str]]:
    """The file's lines, none where there is no file, and what is wrong with it: misshapen lines, unknown
    checks, missing reasons.
    """
    try:
        entries = read_entries(path, "zibbo/photo3: {blur: he runs}")
    except UserError as error:
        return {}, list(error.problems)
    checks, problems, waivers = list(checks), list[str](), Waivers()
    for pattern, entry in entries.items():
        if not isinstance(entry, dict) or not entry:
            problems.append(f"{path}: {pattern}: write `{{check: reason}}`, found {entry!r}")
            continue
        for check, reason in entry.items():
            problems += [f"{path}: {pattern}: {text}" for text in _wrong(check, reason, checks)]
            waivers[pattern, str(check)] = str(reason)
    return waivers, problems


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


def by_picture(waivers: Waivers, ids: Iterable[str]) -> tuple[ByPicture, list[str]]:
    """(picture id, check) -> reason, and a sentence for each line that names no picture. An exact id goes
    before a pattern, a pattern before those below it.
    """
    names, problems = sorted(set(ids)), []
    expanded: ByPicture = {}
    for (pattern, check), reason in sorted(waivers.items(), key=lambda item: item[0][0] not in names):
        if not (matching := named(pattern, names)):
            problems.append(f"{PATH}: {pattern} is no picture; {nearest(pattern, names)}")
        for name in matching:
            expanded.setdefault((name, check), reason)
    return expanded, list(dict.fromkeys(problems))


def unneeded(waivers: Waivers, faults: Collection[tuple[str | None, str]]) -> list[str]:
    """Lines none of whose pictures has the fault (any more); `faults`: (picture id, check)."""
    return [
        f"{PATH}: {pattern}: {check} is waived, but no picture of that name has the fault; delete it"
        for pattern, check in waivers
        if not named(pattern, {str(name) for name, known in faults if known == check})
    ]
