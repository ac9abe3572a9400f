"""What stands beside what when runs are compared by their pictures."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from pipeline.compare import grids
from pipeline.compare.runs import ComparedRun
from tests.house.repository import Repository

DRAWN = {
    "negative_prompt": "", "sampler": "ddim", "steps": 4, "guidance": 5.0, "width": 64, "height": 64,
    "clip_skip": 1, "checkpoint": None, "merge": None, "block_weights": None,
}  # fmt: skip
COLOURS = {"base": 0, "one": 60, "two": 120}


def cell(epoch: int, weight: float, **other: Any) -> dict[str, Any]:
    pictures = [{"prompt": "zib", "seed": seed} for seed in (1, 2)]
    network = "zib.safetensors" if epoch else None
    named = {"image": f"{epoch}-{weight:g}.png", "figures": {"subject": epoch / 10}}
    return {
        **DRAWN, "epoch": epoch, "weight": weight, "network": network, "pictures": pictures, **named, **other,
    }  # fmt: skip


GRIDS = {
    "one": [cell(0, 0.0), cell(1, 0.8), cell(1, 1.0), cell(2, 1.0)],
    "two": [cell(0, 0.0), cell(1, 1.0), cell(1, 1.0, block_weights="x"), cell(1, 0.8, merge="alpha 0.5")],
    "other": [cell(0, 0.0, steps=9), cell(1, 1.0, steps=9)],
}
RUNS = {name: ComparedRun(name, name * 4, is_experiment=True) for name in (*GRIDS, "absent")}


def read_committed(revision: str, path: str) -> bytes:
    name = next(run.name for run in RUNS.values() if run.revision == revision)
    if name == "absent":
        raise FileNotFoundError(path)
    if path.endswith(".json"):
        return json.dumps({"cells": GRIDS[name]}).encode()
    place = path.rpartition("/")[2]
    shade = COLOURS["base" if place.startswith("0-") else name]
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


def shade(found: grids.ComparedCell | None) -> int | None:
    if found is None:
        return None
    data = base64.b64decode(found.image.removeprefix("data:image/webp;base64,"))
    pixel = Image.open(io.BytesIO(data)).convert("L").getpixel((5, 5))
    assert isinstance(pixel, int)
    return round(pixel / 60) * 60


def test_runs_stand_below_each_other_and_the_base_above(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "read_committed", read_committed)
    found = grids.aligned([RUNS[name] for name in ("one", "other", "absent", "two")])
    assert found.pictures == (("zib", 1), ("zib", 2))
    shown = {
        sheet.label: (list(sheet.columns), [(name, list(map(shade, cells))) for name, cells in sheet.rows])
        for sheet in found.sheets
    }
    assert shown == {
        "epoch 1": (
            ["weight 0.8", "weight 1"],
            [("base alone", [0, None]), ("one", [60, 60]), ("two", [None, 120])],
        ),
        "epoch 2": (["weight 1"], [("base alone", [0]), ("one", [60]), ("two", [None])]),
    }


def test_a_run_that_cannot_be_shown_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "read_committed", read_committed)
    found = grids.aligned([RUNS[name] for name in ("one", "other", "absent", "two")])
    assert found.left_out == [
        "absent: its pictures are not on this machine; `dvc exp pull <git remote> absent`"
        " gets them if they were pushed",
        "other: drawn with other prompts, seeds or settings than most",
    ]


def test_a_commit_that_is_not_in_the_cache_says_which_fetch_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone has dvc.lock and no cache: DVC's own error for that is none of its DvcExceptions."""
    repository = Repository(tmp_path)
    for command in ("git init --quiet", "dvc init --quiet"):
        repository.run(*command.split())
    lock = {"path": grids.GRID_FOLDER, "md5": "0" * 32 + ".dir", "hash": "md5", "nfiles": 1, "size": 1}
    stage = {"cmd": "true", "outs": [grids.GRID_FOLDER]}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"grid": stage}}))
    locked = {"schema": "2.0", "stages": {"grid": {"cmd": "true", "outs": [lock]}}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(locked))
    repository.run("git", "add", "--all")
    repository.run("git", "commit", "--quiet", "--message", "grid")
    monkeypatch.chdir(tmp_path)
    revision = repository.run("git", "rev-parse", "HEAD").stdout.strip()
    found = grids.aligned([ComparedRun("HEAD", revision, is_experiment=False)])
    assert not found.sheets
    (said,) = found.left_out
    assert said.startswith(
        "HEAD: its pictures are not on this machine; `dvc fetch --all-commits reports/sample-grid` gets"
    )
    assert f"`git checkout {revision[:8]} && dvc repro` makes them" in said
    assert "--all-commits" in repository.run("dvc", "fetch", "--help").stdout
