"""The bar of all pages: name of the run, branch, how many decisions are not committed, what runs."""

from pathlib import Path
from threading import Lock
from typing import Any

from pipeline.errors import UserError
from pipeline.workbench.commits import DECISION_PATHS, changed, git, num_changed
from pipeline.workbench.runs.watch import Watch


class Top:
    """Asks git only when a decision file, the index or HEAD has changed."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.lock = watch, Lock()
        self.stamps: list[int] = []
        self.found: dict[str, Any] = {"branch": "", "uncommitted": 0}
        self.folder: Path | None = None

    def shown(self) -> dict[str, Any]:
        self.watch.poll()
        with self.lock:
            stamps = [_stamp(path) for path in (*DECISION_PATHS.values(), *self._of_git())]
            if stamps != self.stamps:
                self.stamps, self.found = stamps, _asked()
            return {"name": self.watch.name, **self.found, "run": self.watch.top()}

    def _of_git(self) -> list[Path]:
        """Files that another commit or branch changes."""
        if self.folder is None:
            try:
                self.folder = Path(git("rev-parse", "--absolute-git-dir").strip())
            except UserError:
                self.folder = Path("no repository")
        return [self.folder / "HEAD", self.folder / "logs/HEAD", self.folder / "index"]


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def branch() -> str:
    """Of git; empty outside a repository."""
    try:
        return git("branch", "--show-current").strip()
    except UserError:
        return ""


def _asked() -> dict[str, Any]:
    try:
        number = sum(num_changed(name) for name in changed())
    except (UserError, OSError):
        number = 0
    return {"branch": branch(), "uncommitted": number}
