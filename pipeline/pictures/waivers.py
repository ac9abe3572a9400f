"""data/waivers.yaml: faults that a person has looked at and accepts, a line each, kept in git.

zibbo/zibbo-03: {blur: he runs}          # picture id: {check: reason}
zibbo/*: {too_small: only scans exist}   # `*` and `?` stand for any letters
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

import yaml

from pipeline.config.schemas.collect import FATAL
from pipeline.errors import nearest

PATH = Path("data/waivers.yaml")
Waivers = dict[tuple[str, str], str]
"""(id or pattern, check) -> reason."""
ByPicture = dict[tuple[str | None, str], str]


def read_waivers(path: Path, checks: Iterable[str]) -> tuple[Waivers, list[str]]:
    """The file's lines, none where there is no file, and what is wrong with it: misshapen lines, unknown
    checks, missing reasons.
    """
    if not path.exists():
        return {}, []
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return {}, [f"{path} is not readable YAML: {' '.join(str(error).split())}"]
    if not isinstance(content, dict):
        return {}, [f"{path} must hold lines `picture id: {{check: reason}}`, found {content!r}"]
    checks, problems, waivers = list(checks), list[str](), Waivers()
    for pattern, entry in content.items():
        if not isinstance(entry, dict) or not entry:
            problems.append(f"{path}: {pattern}: write `{{check: reason}}`, found {entry!r}")
            continue
        for check, reason in entry.items():
            problems += [f"{path}: {pattern}: {text}" for text in _wrong(check, reason, checks)]
            waivers[str(pattern), str(check)] = str(reason)
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
        matching = [name for name in names if matches(pattern, name)]
        if not matching:
            problems.append(f"{PATH}: {pattern} is no picture; {nearest(pattern, names)}")
        for name in matching:
            expanded.setdefault((name, check), reason)
    return expanded, list(dict.fromkeys(problems))


def matches(pattern: str, name: str) -> bool:
    """Only `*` and `?` are wild: brackets stand in many names."""
    wild = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return pattern == name or re.fullmatch(wild, name) is not None


def unneeded(waivers: Waivers, faults: Collection[tuple[str | None, str]]) -> list[str]:
    """Lines none of whose pictures has the fault (any more); `faults`: (picture id, check)."""
    return [
        f"{PATH}: {pattern}: {check} is waived, but no picture of that name has the fault; delete it"
        for pattern, check in waivers
        if not any(check == known and matches(pattern, str(name)) for name, known in faults)
    ]
