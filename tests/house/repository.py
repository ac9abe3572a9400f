"""A git and DVC repository of its own, holding the project as it is now, with the shortest run that goes
through every stage.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT
from tests.house.warm_python import warm_commands

SHORT: dict[str, dict[str, Any]] = {
    "train": {"epochs": 1, "batch": 24},
    "sample_grid": {"steps": 1, "seeds": [1], "weights": [1.0], "prompts": ["zibbo, night"]},
}
SMALL: dict[str, dict[str, Any]] = {
    group: {"resolution": 64} for group in ("crop", "class_images", "sample_grid")
}
LEFT_OUT = re.compile(r"demo/pictures/7_zibbo/zibbo-(0[89]|[12]\d)\.png")
"""In a small one: eight pictures are enough."""


class Repository:
    """Runs `dvc` and `git` as a user does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{key: value for key, value in os.environ.items() if key not in ("ATHANOR_STORE", "DVC_STAGE")},
            "HF_HUB_OFFLINE": "1",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
        }
        for name in ("AUTHOR", "COMMITTER"):
            self.environment |= {f"GIT_{name}_NAME": "t", f"GIT_{name}_EMAIL": "t@example.org"}

    def warmed(self) -> "Repository":
        """Its `python` and `dvc` start with the heavy libraries imported."""
        self.environment["PATH"] = f"{warm_commands()}:{self.environment['PATH']}"
        return self

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert not check or ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def repro(self, *arguments: str) -> list[str]:
        """`dvc repro`: the stages that ran."""
        return re.findall(
            r"^Running stage '([\w-]+)'", self.run("dvc", "repro", *arguments).stdout, re.MULTILINE
        )

    def stale(self) -> set[str]:
        """`dvc status`: the stages that would run first."""
        return set(json.loads(self.run("dvc", "status", "--json").stdout))

    def set(self, **changes: object) -> None:
        """Sets dotted keys of params.yaml (`network__dim=8`)."""
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            *parents, leaf = key.split("__")
            target = params
            for parent in parents:
                target = target.setdefault(parent, {})
            target[leaf] = value
        path.write_text(yaml.safe_dump(params))


def tracked() -> Sequence[str]:
    """Files of the working tree that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).is_file()]


def make_repository(folder: Path, small: bool = True) -> Repository:
    """A commit of the project with the short run's parameters; nothing has run yet. `small`: eight pictures,
    of half the demo's side.
    """
    for name in tracked():
        if small and LEFT_OUT.fullmatch(name):
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    repository = Repository(folder)
    for settings in (SHORT, SMALL) if small else (SHORT,):
        for group, values in settings.items():
            repository.set(**{f"{group}__{key}": value for key, value in values.items()})
    repository.run("git", "init", "--quiet")
    repository.run("git", "add", "--all")
    repository.run("git", "commit", "--quiet", "--message", "project")
    return repository
