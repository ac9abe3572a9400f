"""The README's commands, and versioning as people do it, in a repository of their own."""

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.house.repository import Repository, make_repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = make_repository(tmp_path_factory.mktemp("repository") / "project")
    made.repro()
    return made


def commands_of_the_readme() -> list[str]:
    """Commands in the README's tables and after `python -m`, but those with a place to fill in, and the
    sweep and the question to a card, which are held elsewhere (test_sweep.py, test_jobs.py, test_fit.py).
    """
    left_out = ("<", "/mnt", "dvc push", "dvc pull", "[", "pipeline.sweep", "pipeline.fit")
    text = (ROOT / "README.md").read_text()
    found = re.findall(r"`((?:dvc|git|python -m) [^`]+)`", text)
    return [command for command in found if not any(mark in command for mark in left_out)]


def test_the_commands_in_the_readme_run(repository: Repository) -> None:
    commands = commands_of_the_readme()
    assert len(commands) >= 10
    for command in commands:
        repository.run(*shlex.split(command))
    assert (repository.folder / "tries/dim8/models/network/zibbo.safetensors").is_file()


def test_users_commands_on_the_result(repository: Repository, tmp_path: Path) -> None:
    """Versioning as people do it: metrics, diffs, a remote, an old commit with its model."""
    repository.run("git", "add", "--all")
    repository.run("git", "commit", "--quiet", "--message", "first")
    first = (repository.folder / "models" / "network" / "zibbo.safetensors").read_bytes()
    repository.run("dvc", "exp", "run", "-S", "network.dim=2", "-S", "+use.crop=centre", "--name", "small")
    assert (repository.folder / "models" / "network" / "zibbo.safetensors").read_bytes() != first
    assert "small" in repository.run("dvc", "exp", "show", "--csv").stdout
    assert "network.dim" in repository.run("dvc", "params", "diff").stdout
    shown = repository.run("dvc", "metrics", "show").stdout
    assert "run.json" in shown
    assert max(map(len, shown.splitlines())) <= 100
    repository.run("python", "-m", "pipeline.compare", "HEAD", "small")
    compared = (repository.folder / "reports/comparison/index.html").read_text()
    assert all(f"<td>{name}" in compared for name in ("HEAD", "small"))
    repository.run("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    assert (tmp_path / "plots" / "index.html").is_file()
    repository.run("git", "commit", "--quiet", "--all", "--message", "second")
    repository.run("dvc", "remote", "add", "--default", "folder", str(tmp_path / "remote"))
    repository.run("dvc", "push", "--all-commits")
    repository.run("git", "stash", "--quiet", check=False)
    repository.run("git", "checkout", "--quiet", "HEAD~1")
    repository.run("dvc", "checkout")
    assert (repository.folder / "models" / "network" / "zibbo.safetensors").read_bytes() == first
