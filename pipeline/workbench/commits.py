"""Committing decisions: the decision files and params.yaml, and nothing else that the user has staged."""

import subprocess
from typing import Any

from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_bytes
from pipeline.workbench.decisions import FILES
from pipeline.workbench.journal import number_of
from pipeline.workbench.settings import SETTINGS

WHAT = {
    "tag_edits": "caption", "crop_edits": "crop", "waivers": "waiver", "left_out": "picture left out",
    "votes": "vote", "params": "setting",
}  # fmt: skip
DECISION_PATHS = {name: file.path for name, file in {**FILES, SETTINGS.name: SETTINGS}.items()}
MOST_DIFF, GIT_S = 60_000, 120


def git(*arguments: str, text: str | None = None) -> str:
    """Of this folder's repository; a failure is git's own sentence."""
    try:
        ended = subprocess.run(
            ["git", "--literal-pathspecs", *arguments], input=text or "", capture_output=True, text=True,
            check=False, timeout=GIT_S, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"git {arguments[0]}: {error}") from None
    if ended.returncode:
        raise UserError(f"git {arguments[0]}: {(ended.stderr or ended.stdout).strip()[-2000:]}")
    return ended.stdout


def changed() -> list[str]:
    """Names of the files that differ from the last commit, in the order of DECISION_PATHS."""
    found = git(
        "status",
        "--porcelain=v1",
        "-z",
        "--untracked-files=all",
        "--no-renames",
        "--",
        *_paths(list(DECISION_PATHS)),
    )
    paths = {entry[3:] for entry in found.split("\0") if entry}
    prefix = git("rev-parse", "--show-prefix").strip()
    return [name for name, path in DECISION_PATHS.items() if f"{prefix}{path.as_posix()}" in paths]


def _paths(names: list[str]) -> list[str]:
    return [DECISION_PATHS[name].as_posix() for name in names]


def shown() -> dict[str, Any]:
    """What the page lists: each file with its diff, and the message that says what changed."""
    names = changed()
    counts = {name: num_changed(name) for name in names}
    files = [
        {"path": DECISION_PATHS[n].as_posix(), "said": _said(n, counts[n]), "diff": _diff(n)} for n in names
    ]
    message = ", ".join(_said(name, counts[name]) for name in names)
    return {"files": files, "number": sum(counts.values()), "message": message, "seen": seen(names)}


def seen(names: list[str]) -> str:
    """A hash of the files as they are now: what is committed is what was shown."""
    parts = [
        DECISION_PATHS[name].read_bytes() if DECISION_PATHS[name].exists() else b"gone" for name in names
    ]
    return sha256_of_bytes(b"\0".join([",".join(names).encode(), *parts]))


def _said(name: str, number: int) -> str:
    one = WHAT[name]
    return "1 picture left out" if (name, number) == ("left_out", 1) else (
        f"{number} pictures left out" if name == "left_out" else number_of(number, one)
    )  # fmt: skip


def num_changed(name: str) -> int:
    """Entries that are new, gone or other; at least 1: a comment may be all that changed."""
    path = DECISION_PATHS[name]
    now = path.read_text(encoding="utf-8") if path.exists() else ""
    before, after = _entries(name, _committed(name)), _entries(name, now)
    other = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    return max(1, len(other))


def _committed(name: str) -> str:
    try:
        return git("show", f"HEAD:./{DECISION_PATHS[name].as_posix()}")
    except UserError:  # not there yet
        return ""


def _entries(name: str, text: str) -> dict[str, Any]:
    try:
        if name == SETTINGS.name:
            return _leaves(SETTINGS.read(text))
        return FILES[name].read(text) if text else {}
    except UserError:
        return {"the text": text}


def _leaves(value: Any, key: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        inner = (_leaves(each, f"{key}.{name}" if key else str(name)) for name, each in value.items())
        return {name: each for part in inner for name, each in part.items()}
    return {key: value}


def _diff(name: str) -> str:
    path = DECISION_PATHS[name].as_posix()
    if not _committed(name):
        text = (
            DECISION_PATHS[name].read_text(encoding="utf-8", errors="replace")
            if DECISION_PATHS[name].exists()
            else ""
        )
        found = "".join(f"+{line}\n" for line in text.splitlines())
    else:
        lines = git(
            "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--unified=1", "HEAD", "--", path
        ).splitlines()
        found = "\n".join(line for line in lines if not line.startswith(("diff ", "index ", "--- ", "+++ ")))
    return found if len(found) <= MOST_DIFF else f"{found[:MOST_DIFF]}\n…"


def commit(message: str, sha256: str) -> str:
    """Commits these files as they were shown; returns a sentence."""
    names = changed()
    if not names:
        raise UserError("every decision is committed")
    if seen(names) != sha256:
        raise UserError("these files have changed since the page showed them; look at them again")
    if not message.strip():
        raise UserError("a commit needs a message")
    new = [name for name in names if DECISION_PATHS[name].exists() and not _is_known(name)]
    if new:  # git commits by name only what it knows
        git("add", "--intent-to-add", "--", *_paths(new))
    try:
        git(
            "commit",
            "--quiet",
            "--cleanup=whitespace",
            "--file=-",
            "--only",
            "--",
            *_paths(names),
            text=message,
        )
    except UserError:
        if new:
            git("reset", "--quiet", "--", *_paths(new))
        raise
    return f"Committed as {git('rev-parse', '--short', 'HEAD').strip()}: {message.splitlines()[0]}"


def _is_known(name: str) -> bool:
    return bool(git("ls-files", "--", DECISION_PATHS[name].as_posix()).strip())
