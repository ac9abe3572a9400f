"""Decisions are committed by name: what else the user has staged stays staged."""

import subprocess
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.workbench import commits
from pipeline.workbench.commits import commit, shown
from tests.pipeline.workbench.project_that_runs import make_project_that_runs


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_project_that_runs(tmp_path / "set")
    monkeypatch.chdir(folder)
    return folder


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def decide() -> None:
    Path("data/tag_edits.yaml").write_text(
        "zib/critter-00001: {add: [hat]}\nzib/critter-00002: {add: [hat]}\n"
    )
    Path("data/left_out.yaml").write_text("zib/critter-00003: bad quality\n")
    Path("params.yaml").write_text("network:\n  dim: 8 # small\n")


def test_nothing_to_commit_is_said(project: Path) -> None:
    assert shown()["files"] == []
    with pytest.raises(UserError, match="every decision is committed"):
        commit("x", shown()["seen"])


def test_what_changed_is_shown_and_is_the_message(project: Path) -> None:
    decide()
    found = shown()
    assert found["message"] == "2 captions, 1 picture left out, 1 setting"
    assert found["number"] == 4
    diff = next(each["diff"] for each in found["files"] if each["path"] == "params.yaml")
    assert diff.splitlines()[1:] == [" network:", "-  dim: 4 # small", "+  dim: 8 # small"]


def test_other_staged_and_changed_files_stay_as_they_are(project: Path) -> None:
    decide()
    (project / "staged.txt").write_text("mine")
    git("add", "staged.txt")
    (project / "slow.py").write_text("changed")
    git("add", "slow.py")
    (project / "slow.py").write_text("changed again")
    commit("# 4 decisions\n\nBecause.", shown()["seen"])
    assert git("show", "--name-only", "--format=%B", "HEAD").split("\n\n", 2) == [
        "# 4 decisions",
        "Because.",
        "\ndata/left_out.yaml\ndata/tag_edits.yaml\nparams.yaml\n",
    ]
    assert git("status", "--porcelain", "--untracked-files=no").splitlines() == [
        "MM slow.py",
        "A  staged.txt",
    ]
    assert shown()["files"] == []


def test_a_decision_file_that_git_does_not_know_is_committed(project: Path) -> None:
    git("rm", "--quiet", "--cached", "data/votes.yaml", "params.yaml")
    git("commit", "--quiet", "--message", "without")
    assert [each["path"] for each in shown()["files"]] == ["data/votes.yaml", "params.yaml"]
    commit("with", shown()["seen"])
    assert git("show", "--name-only", "--format=", "HEAD").split() == ["data/votes.yaml", "params.yaml"]


def test_only_what_was_shown_is_committed(project: Path) -> None:
    decide()
    seen = shown()["seen"]
    Path("params.yaml").write_text("network:\n  dim: 16\n")
    before = git("rev-parse", "HEAD")
    with pytest.raises(UserError, match="look at them again"):
        commit("4 decisions", seen)
    assert git("rev-parse", "HEAD") == before


def test_a_hook_that_refuses_is_a_sentence_and_leaves_the_index(project: Path) -> None:
    git("rm", "--quiet", "--cached", "data/votes.yaml")
    git("commit", "--quiet", "--message", "without")
    hook = project / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho 'no commits on Fridays' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(UserError, match="no commits on Fridays"):
        commit("with", shown()["seen"])
    assert git("status", "--porcelain", "--untracked-files=all") == "?? data/votes.yaml\n"


def test_names_of_files_come_from_a_fixed_list() -> None:
    assert {path.as_posix() for path in commits.DECISION_PATHS.values()} == {
        "data/tag_edits.yaml", "data/crop_edits.yaml", "data/waivers.yaml", "data/left_out.yaml",
        "data/votes.yaml", "params.yaml",
    }  # fmt: skip
