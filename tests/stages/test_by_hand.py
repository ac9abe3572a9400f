"""Stages by hand: the settings of now, a plan before anything ran, what is missing, DVC at work."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from pipeline.errors import UserError
from stages import collect, compose, crop, filter_tags, tag, train
from tests.stages.project import draw_pictures, make_project, outputs
from tests.typed import typed


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh clone: nothing has run, and no DVC starts the stages."""
    folder = make_project(tmp_path / "project", train={"name": "net", "epochs": 3, "batch": 2})
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_STAGE")
    return folder


def edit(folder: Path, group: str, **values: Any) -> None:
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params[group] = {**params.get(group, {}), **values}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def test_the_plan_works_in_a_fresh_clone_from_pictures_alone(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train.main(["--plan"])
    said = capsys.readouterr().out
    # Three pictures, shown twice each (2_zib), in batches of 2.
    assert "an epoch: 6 showings, 3 batches of 2, 3 updates" in said
    assert "in all: 3 epochs, 9 updates" in said
    assert "64x64" in said
    assert "GFLOP" in said
    assert "not checked: captions, which these settings have not made yet" in said
    assert not outputs(project)


@pytest.mark.usefixtures("collect_in_process")
def test_the_plan_tells_of_new_settings_and_new_pictures(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for stage in (compose, collect, crop, tag, filter_tags):
        stage.main([])
    before = outputs(project)
    train.main(["--plan"])
    first = capsys.readouterr()
    assert "not checked: captions" not in first.out
    edit(project, "train", epochs=5)
    edit(project, "crop", resolution=128)
    draw_pictures(project / "photos" / "1_more", 5)
    for number in range(3):  # as those that are there already
        (project / "photos/1_more" / f"{number}.png").unlink()
    train.main(["--plan"])
    said = capsys.readouterr().out
    assert "an epoch: 8 showings, 4 batches of 2, 4 updates" in said
    assert "in all: 5 epochs, 20 updates" in said
    assert "128x128" in said
    assert "not checked: captions, which these settings have not made yet" in said
    assert outputs(project) == before


@pytest.mark.usefixtures("collect_in_process")
def test_class_pictures_and_what_is_left_out_are_in_the_plan(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (20, 20)).save(project / "photos/2_zib/small.png")
    settings = ["collect.checks.too_small=drop", "class_images.count=4", "class_images.prompt=a girl"]
    train.main(["--plan", *settings])
    said = capsys.readouterr().out
    assert "3 pictures and 4 class pictures" in said
    assert "6 showings and 6 of the class" in said


def test_unfit_pictures_leave_no_plan(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (20, 20)).save(project / "photos/2_zib/small.png")
    with pytest.raises(UserError, match="fix what `collect` reports above"):
        train.main(["--plan"])
    assert "photos/2_zib/small.png" in capfd.readouterr().err


def test_the_preview_and_the_export_have_the_settings_of_now(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for stage in (compose, collect, crop, tag):
        stage.main([])
    edit(project, "filter_tags", trigger="brandnew")
    filter_tags.main(["--preview"])
    assert "brandnew, " in capsys.readouterr().out
    filter_tags.main(["--export", "tries/kohya"])
    assert (project / "tries/kohya/2_zib/0.txt").read_text().startswith("brandnew")


def test_a_stage_into_another_folder_has_the_settings_of_now(project: Path) -> None:
    for stage in (compose, collect):
        stage.main([])
    edit(project, "crop", resolution=128)
    crop.main(["--out", "tries/large"])
    rows = (project / "tries/large/data/cropped/records.jsonl").read_text().splitlines()
    assert {json.loads(row)["width_px"] for row in rows} == {128}


def test_doubts_of_an_edit_are_told_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compose.main([])
    collect.main([])
    capsys.readouterr()
    edit(project, "train", save_every_epochs=9)
    crop.main(["--out", "tries/doubt"])
    assert "train.save_every_epochs 9 is above train.epochs 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stage", "path", "maker"),
    [
        ("crop", "data/collected/records.jsonl", "collect"),
        ("tag", "data/cropped/records.jsonl", "crop"),
        ("filter_tags", "data/tags/tags.jsonl", "tag"),
        ("encode", "data/cropped/records.jsonl", "crop"),
        ("train", "data/captions/captions.jsonl", "filter-tags"),
        ("sample_grid", "models/network", "train"),
        ("merge", "reports/sample-grid/choice.json", "sample-grid"),
        ("merge merge.epoch=last", "models/network", "train"),
        ("report", "metrics/", "collect"),
    ],
)
@pytest.mark.usefixtures("project")
def test_inputs_that_no_stage_has_made_yet_are_a_sentence(stage: str, path: str, maker: str) -> None:
    name, *settings = stage.split()
    ended = typed(import_module(f"stages.{name}").main, *settings, "--out", "x")
    assert ended.returncode == 1
    errors = [line for line in ended.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(errors) == 1
    assert errors[0].startswith(f"error: {path}")
    assert f"`dvc repro {maker}`" in errors[0]


def note_dvc(folder: Path, process: int) -> None:
    (folder / ".dvc/tmp").mkdir(parents=True)
    noted = {"write": {str(folder / "data/collected"): {"pid": process, "cmd": "dvc repro"}}, "read": {}}
    (folder / ".dvc/tmp/rwlock").write_text(json.dumps(noted))


def test_a_stage_that_would_write_outputs_while_dvc_runs_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_dvc(project, os.getpid())
    with pytest.raises(UserError, match=rf"DVC is running here \(process {os.getpid()}: dvc repro\)"):
        compose.main([])
    with pytest.raises(UserError, match="add `--out DIR`"):
        collect.main([])
    assert not outputs(project)
    collect.main(["--out", "tries/elsewhere"])
    assert (project / "tries/elsewhere/data/collected/records.jsonl").is_file()
    monkeypatch.setenv("DVC_STAGE", "compose")  # the stages that this DVC itself starts
    compose.main([])


def test_a_dvc_that_was_killed_hinders_nobody(project: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    note_dvc(project, ended.pid)
    compose.main([])
    (project / ".dvc/tmp/rwlock").write_text("")
    collect.main([])


@pytest.mark.parametrize(
    "out",
    ["pictures/7_ann", "pictures", "pipeline", "pipeline/new", "data", "data/new", "models", "reports", "..",
     ".git", ".git/new", "docs/new", "./tries/../stages", "photos", "photos/new"],
)  # fmt: skip
def test_no_stage_by_hand_writes_into_the_projects_own_folders(
    out: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("pictures", "pipeline", "stages", "docs", "data"):
        (project / folder).mkdir(exist_ok=True)
    (project / "docs/page.md").write_text("a page")
    (project / "data/tag_edits.yaml").write_text("{}")
    for command in (["init", "-q"], ["add", "docs", "data"]):
        subprocess.run(["git", *command], cwd=project, check=True)
    before = sorted(path for path in project.rglob("*") if ".git" not in path.parts)
    with pytest.raises(UserError, match=r"--out .*(another|outside)"):
        collect.main(["--out", out])
    assert sorted(path for path in project.rglob("*") if ".git" not in path.parts) == before
    assert not capsys.readouterr().out


@pytest.mark.parametrize("out", ["models/tries", "reports/new", "new"])
def test_a_stage_by_hand_writes_into_a_new_folder(out: str, project: Path) -> None:
    collect.main(["--out", out])
    assert (project / out / "data/collected/records.jsonl").is_file()
