"""tasks.py, the Makefile and the Dockerfile: what they run and name exists, and they do the same."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tasks
from pipeline import nvidia_card
from tests.conftest import ROOT

LIGHT = ("repro", "look", "lint", "test")


@pytest.mark.parametrize("name", [name for name in tasks.TASKS if name != "setup"])
def test_what_a_task_runs_is_installed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    tasks.main(["--dry", name])
    lines = capsys.readouterr().out.splitlines()
    assert lines
    for line in lines:
        program, *rest = line.split()
        if program == "python":
            assert rest[0] == "-m"
            assert importlib.util.find_spec(rest[1]), line
        else:
            assert (Path(sys.executable).parent / program).is_file(), line


def test_make_has_the_same_tasks() -> None:
    text = (ROOT / "Makefile").read_text()
    named = re.search(r"^TASKS := (.+)$", text, re.MULTILINE)
    assert named
    assert named[1].split() == list(tasks.TASKS)
    for name in LIGHT:
        said = subprocess.run(
            ["make", "--dry-run", "--no-print-directory", name],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.split()[1:] == ["tasks.py", name]


def test_the_two_commands_do_what_they_did(capsys: pytest.CaptureFixture[str]) -> None:
    tasks.main(["repro", "--dry"])
    assert capsys.readouterr().out.splitlines() == [
        "python -m pipeline.mend",
        "dvc repro",
        "dvc metrics show",
    ]
    assert tasks.commands_of("check")[-1] == (
        "pytest", "-n", "2", "--dist", "worksteal", "-m", "not slow and not large"
    )  # fmt: skip
    assert ("mypy",) in tasks.commands_of("test")


def test_an_unknown_task_lists_the_tasks() -> None:
    with pytest.raises(SystemExit, match=r"reproo is no task(.|\n)*python tasks\.py repro"):
        tasks.main(["reproo"])


@pytest.mark.parametrize(
    ("windows", "card", "index", "extras"),
    [
        (False, False, False, "[test]"),
        (False, True, False, "[test,cuda]"),
        (True, False, False, "[test]"),
        (True, True, True, "[test,cuda]"),
    ],
)
def test_setting_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, windows: bool, card: bool, index: bool, extras: str
) -> None:
    """torch comes from PyPI, but on Windows with a card from torch's own index; bitsandbytes with a card."""
    monkeypatch.setattr(tasks, "IS_WINDOWS", windows)
    monkeypatch.setattr(tasks, "VENV", tmp_path)
    monkeypatch.setattr(nvidia_card, "is_there", lambda: card)
    venv, torch, rest = tasks.commands_of("setup")
    assert venv[1:3] == ("-m", "venv")
    assert torch[-1].partition("==")[0] == "torch"
    assert (tasks.CUDA_INDEX in torch) == index
    assert tasks.CUDA_INDEX not in rest
    assert rest[-1].endswith(extras)
    assert torch[0].endswith("python.exe" if windows else "python")


@pytest.mark.parametrize(
    ("windows", "there", "words"),
    [
        (True, "torch-2.13.0", ["--extra-index-url", tasks.CUDA_INDEX, "torch==2.13.0+cu130"]),
        (True, "torch-2.13.0+cpu", ["--extra-index-url", tasks.CUDA_INDEX, "torch==2.13.0+cu130"]),
        (True, "torch-2.13.0+cu126", ["torch"]),
        (False, "torch-2.13.0", ["torch"]),
        (False, "torch-2.13.0+cpu", ["--force-reinstall", "--no-deps", "torch"]),
        (False, "torch-2.13.0+rocm7.2", ["torch"]),
    ],
)
def test_a_torch_for_the_cpu_is_replaced_where_there_is_a_card(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, windows: bool, there: str, words: list[str]
) -> None:
    """PyPI's for Windows is for the CPU and does not say so; another build was somebody's choice."""
    places = tmp_path / ("Lib/site-packages" if windows else "lib/python3.12/site-packages")
    (places / f"{there}.dist-info").mkdir(parents=True)
    monkeypatch.setattr(tasks, "IS_WINDOWS", windows)
    monkeypatch.setattr(tasks, "VENV", tmp_path)
    monkeypatch.setattr(tasks, "_torch_version", lambda: "2.13.0")
    monkeypatch.setattr(nvidia_card, "is_there", lambda: True)
    command = list(tasks.commands_of("setup")[1])
    assert command[command.index("--constraint") + 2 :] == words
    monkeypatch.setattr(nvidia_card, "is_there", lambda: False)
    assert tasks.commands_of("setup")[1][-1] == "torch"


def test_the_version_of_torch_is_the_one_that_others_are_bound_to() -> None:
    assert f"torch=={tasks._torch_version()}" in (ROOT / "constraints.txt").read_text().splitlines()


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_lists_the_tasks(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    tasks.main([word])
    said = capsys.readouterr().out
    assert "--dry prints what a task runs" in said
    assert all(f"python tasks.py {name}" in said for name in tasks.TASKS)


def test_an_unknown_option_is_not_called_a_task() -> None:
    with pytest.raises(SystemExit, match="--dryy is no option"):
        tasks.main(["--dryy", "repro"])


def test_the_extras_are_those_of_the_project() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"test", "cuda"} <= known.keys()


def test_an_environment_that_is_out_of_date_is_set_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source, ready = tmp_path / "constraints.txt", tmp_path / "ready"
    source.touch()
    monkeypatch.setattr(tasks, "SOURCES", (source,))
    monkeypatch.setattr(tasks, "READY", ready)
    monkeypatch.setattr(nvidia_card, "is_there", lambda: False)
    assert not tasks.is_ready()
    ready.touch()  # as an earlier version left it
    assert tasks.is_ready()
    monkeypatch.setattr(nvidia_card, "is_there", lambda: True)
    assert not tasks.is_ready()  # a card has come
    ready.write_text("test,cuda")
    assert tasks.is_ready()
    stamp = ready.stat().st_mtime + 5
    import os

    os.utime(source, (stamp, stamp))
    assert not tasks.is_ready()


def test_a_failure_ends_with_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "PROGRAMS", Path(sys.executable).parent)
    tasks.run(("python", "-c", "pass"))
    with pytest.raises(SystemExit) as ended:
        tasks.run(("python", "-c", "raise SystemExit(7)"))
    assert ended.value.code == 7
    with pytest.raises(SystemExit, match="no-such-program is not installed"):
        tasks.run(("no-such-program",))


def test_ctrl_c_leaves_the_end_to_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program writes what it has before it ends; a parent that kills it at once would prevent that."""
    code = f"""
import os, signal, sys, time
from pathlib import Path
def stop(*_):
    time.sleep(1)
    Path({str(tmp_path / "kept")!r}).write_text("kept")
    sys.exit(3)
signal.signal(signal.SIGINT, stop)
os.kill(os.getppid(), signal.SIGINT)
os.kill(os.getpid(), signal.SIGINT)
"""
    monkeypatch.setattr(tasks, "PROGRAMS", Path(sys.executable).parent)
    with pytest.raises(SystemExit) as ended:
        tasks.run(("python", "-c", code))
    assert ended.value.code == 3
    assert (tmp_path / "kept").read_text() == "kept"


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", "Dockerfile", "docs/workbench.md"])
def test_tasks_that_documents_name_exist(file: str) -> None:
    text = (ROOT / file).read_text()
    named = re.findall(r"(?:^|`|athanor |\")(?:make|python tasks\.py) ([a-z-]+)", text, re.MULTILINE)
    named += re.findall(r"^#   docker run .* athanor ([a-z-]+)$", text, re.MULTILINE)
    assert named
    assert set(named) <= tasks.TASKS.keys(), set(named) - tasks.TASKS.keys()


def test_the_image_copies_and_names_what_there_is() -> None:
    """No image is built here; what its file names is looked up."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    assert {word for word, _ in steps} <= {"FROM", "RUN", "WORKDIR", "COPY", "ENV", "ENTRYPOINT", "CMD"}
    copied = [name for word, rest in steps if word == "COPY" for name in shlex.split(rest)[:-1]]
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied
    assert set(copied) == let_in
    for name in [*copied, "tasks.py"]:
        assert (ROOT / name).is_file()
    entry = dict(steps)
    assert entry["ENTRYPOINT"] == '["python3", "tasks.py"]'
    assert re.findall(r"[a-z-]+", entry["CMD"])[0] in tasks.TASKS
    assert "ATHANOR_VENV=/opt/venv" in "".join(rest for _, rest in steps)
