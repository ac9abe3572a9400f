"""The decision files and params.yaml as they are now, as a git tree: the user's index and branch stay."""

import os
import subprocess
from pathlib import Path

from pipeline.errors import UserError
from pipeline.workbench.commits import DECISION_PATHS, git

KEPT_REFS = "refs/athanor/queue"
"""Keeps the trees from git's clean-up while their jobs wait."""


def snapshot(name: str, index: Path) -> tuple[str, str]:
    """The last commit, and the hash of a tree of these files alone. `index`: a file for git's use."""
    baseline = git("rev-parse", "HEAD").strip()
    index.parent.mkdir(parents=True, exist_ok=True)
    index.unlink(missing_ok=True)
    paths = [path.as_posix() for path in DECISION_PATHS.values() if path.is_file()]
    _with_index(index, "add", "--force", "--", *paths)
    tree = _with_index(index, "write-tree")
    index.unlink(missing_ok=True)
    git("update-ref", f"{KEPT_REFS}/{name}", tree)
    return baseline, tree


def forget(name: str) -> None:
    git("update-ref", "-d", f"{KEPT_REFS}/{name}")


def _with_index(index: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_INDEX_FILE": str(index.absolute())}
    ended = subprocess.run(
        ["git", *arguments], env=environment, capture_output=True, text=True, check=False, errors="replace"
    )
    if ended.returncode:
        raise UserError(f"git {arguments[0]}: {ended.stderr.strip()[-2000:]}")
    return ended.stdout.strip()
