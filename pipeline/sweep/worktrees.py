"""A git worktree for each job: at the baseline, with the project's DVC cache and the job's values in its
params.yaml.
"""

import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.config.compose import PARAMS, Params, with_overrides
from pipeline.files.locks import locked, locked_now
from pipeline.files.yaml_text import text_of
from pipeline.sweep.grammar import JobOverrides
from pipeline.sweep.jobs import HOME, SweepJob, git

LINKS = "reflink,hardlink,symlink,copy"
"""How DVC fills a job's worktree: outputs are never edited there, and are removed with it."""


STOP = "stop"
"""File that stops every job of the project's sweep."""
PASSING = ("launcher", "shared", "results")
"""Folders that are not needed after their sweep."""


def create(job: SweepJob) -> None:
    """Makes a new worktree for the job."""
    with locked(job.home / "locks" / "worktrees"):
        _drop(job.worktree, job.root)
        git("worktree", "add", "--detach", "--force", str(job.worktree), job.baseline, root=job.root)
    if job.tree is not None:  # also into the index: what is new there belongs to the experiment
        git("checkout", job.tree, "--", ".", root=job.worktree)
    _configure_dvc(job)
    write_overrides(job.worktree / PARAMS, job.overrides)


def remove(job: SweepJob) -> None:
    with locked(job.home / "locks" / "worktrees"):
        _drop(job.worktree, job.root)


def sweep_up(root: Path) -> list[str]:
    """Removes worktrees of a killed sweep: those without a held job lock. Returns their names."""
    gone = []
    for folder in sorted((root / HOME / "worktrees").glob("*")):
        with locked_now(root / HOME / "locks" / f"{folder.name}.lock") as is_free:
            if is_free:
                with locked(root / HOME / "locks" / "worktrees"):
                    _drop(folder, str(root))
                gone.append(folder.name)
    return gone


def tidy(root: Path) -> None:
    """Cleans up at the end: unheld locks and empty folders."""
    sweep_up(root)
    for path in (root / HOME / "locks").glob("*"):
        with locked_now(path) as is_free:
            if is_free:
                path.unlink(missing_ok=True)
    for name in PASSING:
        shutil.rmtree(root / HOME / name, ignore_errors=True)
    for folder in sorted((root / HOME).glob("*")):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _drop(folder: Path, root: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    git("worktree", "prune", root=root)


def _configure_dvc(job: SweepJob) -> None:
    """The project's own settings (config.local is not committed), its cache, and links instead of copies."""
    own = Path(job.root) / ".dvc" / "config.local"
    if own.exists():
        shutil.copy(own, job.worktree / ".dvc" / "config.local")
    from configobj import ConfigObj

    config = ConfigObj(str(job.worktree / ".dvc" / "config.local"))
    config.setdefault("cache", {}).update({"dir": job.cache, "type": LINKS})
    # DVC's site cache is removed with the worktree.
    config.setdefault("core", {})["site_cache_dir"] = str(job.worktree / ".dvc" / "tmp" / "site")
    config.write()


def write_overrides(path: Path, overrides: JobOverrides) -> None:
    """Sets values in a params.yaml; everything else stays, also comments."""
    params = with_overrides(Params({}, {}), overrides)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    content = yaml.load(text_of(path)) or {}
    for group, option in sorted(params.use.items()):
        content.setdefault("use", {})[group] = option
    for dotted, value in sorted(params.values.items()):
        *parents, leaf = dotted.split(".")
        target: Any = content
        for parent in parents:
            if not isinstance(target.get(parent), dict):
                target[parent] = {}
            target = target[parent]
        target[leaf] = value
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
