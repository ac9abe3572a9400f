"""Answers of `python -m pipeline.new` that cannot be meant are refused by name, and nothing is written."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import new
from pipeline.config.compose import compose, flatten, read_params
from pipeline.errors import UserError
from tests.conftest import ROOT
from tests.pipeline.test_new import project  # noqa: F401


def refused(folder: Path, *arguments: str) -> list[str]:
    before = {path: path.read_bytes() for path in folder.glob("params*")}
    with pytest.raises(UserError) as failure:
        new.main(["bob", *arguments])
    assert {path: path.read_bytes() for path in folder.glob("params*")} == before
    return list(failure.value.problems)


@pytest.mark.parametrize(
    ("arguments", "start", "cure"),
    [
        (["--pictures", "nowhere"], "--pictures nowhere: no such folder", "create it and add your pictures"),
        (["--pictures", "notes.md"], "--pictures notes.md is a file", "name its folder"),
        (["--pictures", "notes.txt"], "--pictures notes.txt: line 1 'a cat' is not an http", "correct"),
        (["--base", "models/no.safetensors"], "--base models/no.safetensors: no such file", "`hf download"),
        (["--base", "./no"], "--base ./no: no such file or folder", "or a hub name (owner/name)"),
        (
            ["--base", "sd51"],
            "--base sd51: no such file or folder (did you mean sd21 or sd15",
            "`hf download",
        ),
        (
            ["--base", "notes.md"],
            "--base notes.md is neither a checkpoint",
            "nor a diffusers folder; name one",
        ),
        (["--base", "x" * 300], "--base xxx", "no such file or folder"),
        (["--base", f"{'x' * 300}/y.ckpt"], "--base xxx", "no such file or folder"),
        (["--tagger", "models/no"], "--tagger models/no: no such file", "`hf download"),
        (["--tagger", "tagger"], "--tagger tagger: no such file or folder", "or a hub name (owner/name)"),
        (["--tagger", "notes.md"], "--tagger notes.md is a file", "name its folder"),
        (
            ["--kind", "character", "--class", "woman"],
            "--class woman is for --kind person and",
            "omit --class",
        ),
        (["--kind", "person", "--class", " "], "--class is blank", "omit --class"),
        (["--trigger", ""], "--trigger is blank", "give a rare word"),
        (["--kind", ""], "--kind is blank", "name a preset"),
        (["--base", ""], "--base is blank", "omit --base"),
        (["--tagger", ""], "--tagger is blank", "`none`"),
        (["--pictures", ""], "--pictures is blank", "omit --pictures"),
    ],
)
def test_an_answer_that_cannot_be_meant_is_refused(
    project: Path,  # noqa: F811
    arguments: list[str],
    start: str,
    cure: str,
) -> None:
    (project / "notes.md").write_text("a cat")
    (project / "notes.txt").write_text("a cat")
    [problem] = refused(project, *arguments)
    assert problem.startswith(start)
    assert cure in problem


def test_what_is_there_and_hub_names_are_taken(project: Path) -> None:  # noqa: F811
    (project / "photos").mkdir()
    (project / "urls.txt").write_text("https://example.org/a.png\n")
    for arguments in (
        ["--pictures", "photos", "--base", "someone/a-model", "--tagger", "SmilingWolf/wd-swinv2-tagger-v3"],
        ["--pictures", "urls.txt", "--tagger", "someone/taggers/folder@v1"],
        ["--kind", "person", "--class", "woman"],
    ):
        new.main(["bob", *arguments])
    assert flatten(compose(read_params()))["class_images.prompt"] == "woman"


def test_a_name_of_wildcards_is_a_sentence(project: Path) -> None:  # noqa: F811
    with pytest.raises(UserError, match="cannot name files"):
        new.main(["**"])
    assert not list(project.glob("params.*.yaml"))


def test_a_params_file_that_is_not_utf8_is_kept_to_the_byte(project: Path) -> None:  # noqa: F811
    old = "# Gr\u00fc\u00dfe\r\ntrain: {name: x}\r\n".encode("latin-1")
    (project / "params.yaml").write_bytes(old)
    (project / "params.before.yaml").write_bytes(b"\xff another")
    new.main(["bob"])
    assert (project / "params.before.yaml").read_bytes() == b"\xff another"
    assert (project / "params.before-2.yaml").read_bytes() == old


@pytest.mark.parametrize("stop", [EOFError, KeyboardInterrupt])
def test_questions_that_are_broken_off_write_nothing(
    project: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    stop: type[BaseException],
) -> None:
    def end(_: str) -> str:
        raise stop

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", end)
    [problem] = refused(project)
    assert problem.startswith("you stopped at a question, so nothing was written")


def test_ctrl_d_at_a_real_terminal_is_one_sentence(project: Path) -> None:  # noqa: F811
    script = "import pty, sys; pty.spawn([sys.executable, '-m', 'pipeline.new', 'bob'])"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        input=b"sd15\n\x04",
        capture_output=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        check=False,
        timeout=60,
    )
    said = ended.stdout.decode()
    assert "error: you stopped at a question" in said
    assert "Traceback" not in said
    assert not list(project.glob("params.*.yaml"))
