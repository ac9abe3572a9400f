"""A kill while DVC writes its notes: with the real DVC, in a repository of its own."""

import fcntl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.mend import is_damaged, mend, running_dvcs

STAGE = "stages:\n  one:\n    cmd: echo x > out\n    outs: [out]\n"


def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / ".dvc/tmp").mkdir(parents=True)
    (folder / ".dvc/config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    (folder / "dvc.yaml").write_text(STAGE)
    return folder


def test_dvc_runs_again_after_a_kill_left_its_rwlock_empty(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / ".dvc/tmp/rwlock").write_bytes(b"")
    broken = dvc(project, "repro")
    assert broken.returncode != 0
    assert "corrupted" in broken.stderr
    mend(project)
    assert "which a killed DVC left damaged" in capsys.readouterr().err
    assert dvc(project, "repro").returncode == 0
    assert (project / "out").read_text() == "x\n"
    mend(project)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("content", [b"", b'{"write": {"a"', b"\xff\xfe", b"[]", b'{"read": 1}', b"\0" * 20])
def test_what_dvc_would_refuse_is_damaged(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "rwlock").write_bytes(content)
    assert is_damaged(tmp_path / "rwlock")


@pytest.mark.parametrize("content", [b"{}", b'{"write": {"a": {"pid": 1, "cmd": "x"}}, "read": {}}'])
def test_a_whole_rwlock_stays(content: bytes, tmp_path: Path) -> None:
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / ".dvc/tmp/rwlock").write_bytes(content)
    mend(tmp_path)
    assert (tmp_path / ".dvc/tmp/rwlock").read_bytes() == content


@pytest.mark.parametrize("guard", ["lock", "rwlock.lock"])
def test_nothing_is_mended_while_dvc_runs(guard: str, tmp_path: Path) -> None:
    notes = tmp_path / ".dvc/tmp"
    notes.mkdir(parents=True)
    (notes / "rwlock").touch()
    with (notes / guard).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="and DVC is running"):
            mend(tmp_path)
    assert (notes / "rwlock").exists()
    mend(tmp_path)
    assert not (notes / "rwlock").exists()


def test_a_dvc_whose_stage_runs_is_seen(project: Path) -> None:
    (project / "dvc.yaml").write_text("stages:\n  one:\n    cmd: touch begun && sleep 30\n    outs: [out]\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        while not (project / "begun").exists() and process.poll() is None:
            time.sleep(0.02)
        assert process.pid in set(running_dvcs(project))
    finally:
        process.kill()
        process.communicate()
    assert process.pid not in set(running_dvcs(project))


@pytest.mark.parametrize("content", ["", "schema: '2.0'\nstages:\n  one: [", "- a\n"])
def test_a_damaged_dvc_lock_names_the_cure(content: str, tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(content)
    with pytest.raises(UserError, match=r"dvc.lock is damaged.* `git checkout dvc.lock`"):
        mend(tmp_path)
