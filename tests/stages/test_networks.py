"""Every family through training, grid and merge: one set of pictures, prepared once."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from safetensors import safe_open

from pipeline.config import load
from pipeline.errors import UserError
from pipeline.networks.epochs import epoch_files
from pipeline.reports.run.usage import uses
from pipeline.vision.clip_pictures import mean_embedding, opened
from stages import compose, merge, report, sample_grid, train
from tests.conftest import ROOT
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.networks.base_clip import write_base_clip
from tests.stages.project import STAGES, make_project

FAMILIES: dict[str, dict[str, Any]] = {
    "locon": {"dim": 2, "alpha": 1, "conv_dim": 2},
    "loha": {"dim": 2, "alpha": 1},
    "lokr": {"dim": 2, "alpha": 1},
    "ia3": {"text_encoder": False},
    "dylora": {"dim": 4, "alpha": 2, "unit": 2},
    "embedding": {
        "words": ["zib", "zob"],
        "num_vectors": 2,
        "concepts": {"zob": "zib"},
        "templates": "subject",
    },
    "hypernetwork": {"activation": "relu", "dropout_structure": [0, 0.1, 0]},
    "checkpoint": {"text_encoder": True},
    "lora": {"dim": 2, "alpha": 1, "dora": True, "block_dims": "linear", "dropout": 0.1, "max_norm": 0.5},
}
BESIDE = {
    "dylora": ["-rank2.safetensors"],
    "ia3": ["-diff.safetensors"],
    "embedding": ["_zib.safetensors", "_zob.safetensors"],
    "hypernetwork": [".pt"],
}
"""Ends of the names of what is written beside each file."""

CALLS = {
    "embedding": "net-000001_zib.safetensors, net-000001_zob.safetensors as embeddings/zib.safetensors",
    "hypernetwork": "net-000001.pt into models/hypernetworks/",
    "checkpoint": "net-000001.safetensors into models/Stable-diffusion/",
}
"""What the report says of how to use the file."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ready for training."""
    folder = make_project(tmp_path_factory.mktemp("run") / "project", sample_grid={"weights": [1.0]})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ATHANOR_STORE", str(folder / "store"))
        for stage in STAGES[: STAGES.index(train)]:
            stage.main([])
    return folder


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_trained_drawn_and_merged(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("ATHANOR_STORE", str(project / "store"))
    params = yaml.safe_load(Path("params.yaml").read_text())
    params |= {"use": {"network": name}, "network": FAMILIES[name]}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for stage in (compose, train, sample_grid, merge, report):
        stage.main([])
    facts = {path.stem: json.loads(path.read_text()) for path in Path("metrics").iterdir()}
    bakes = name not in ("embedding", "hypernetwork")
    assert facts["train"]["modules"] > 0
    assert facts["merge"]["layers_changed"] == (facts["train"]["modules"] if bakes else 0)
    assert bool(list(Path("models/merged").iterdir())) == bakes
    assert list(epoch_files(Path("models/network"))) == [1, 2]
    grid = json.loads(Path("reports/sample-grid/grid.json").read_text())
    assert [cell["epoch"] for cell in grid["cells"]] == [0, 1, 2]
    stems = ("net", "net-000001", "net-000002")
    ends = [".safetensors", *BESIDE.get(name, [])]
    written = {path.name for path in Path("models/network").iterdir()}
    assert written == {f"{stem}{end}" for stem in stems for end in ends}
    check_report(name, {path.name for path in Path("models/network").iterdir()})


def check_report(name: str, files: set[str]) -> None:
    """The page names every file; what it tells to type into diffusers runs."""
    text = Path("reports/index.html").read_text()
    assert all(f"<b>{file}</b>" in text for file in files)
    assert CALLS.get(name, "&lt;lora:net-00000") in text
    proposal = report.story(load("report")).proposal
    program = uses(proposal)[2]
    if name == "hypernetwork":
        assert program.blocks == []
    else:
        exec(program.blocks[0][1], {})


def test_an_aesthetic_embedding_is_made_and_drawn_towards(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("ATHANOR_STORE", str(project / "store"))
    params = yaml.safe_load(Path("params.yaml").read_text())
    params |= {"use": {"network": "aesthetic"}, "network": {"clip": "clip", "lr": 1e-2}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(UserError, match=r"network\.clip clip: no such file or folder"):
        compose.main([])
    write_base_clip(project / "clip", random_base().text_encoders[0].config.hidden_size)
    for stage in (compose, train, sample_grid, merge, report):
        stage.main([])
    assert "aesthetic_embeddings" in Path("reports/index.html").read_text()
    written = {path.name for path in Path("models/network").iterdir()}
    assert written == {f"{stem}{end}" for stem in ("net", "net-000001") for end in (".safetensors", ".pt")}
    photos = sorted(Path("data/cropped/pictures").rglob("*.png"))
    with safe_open("models/network/net.safetensors", "pt") as file:
        found = file.get_tensor("aesthetic")
    assert torch.allclose(found, mean_embedding(project / "clip", opened(photos)), atol=1e-6)
    grid = json.loads(Path("reports/sample-grid/grid.json").read_text())
    assert [cell["epoch"] for cell in grid["cells"]] == [0, 1]
    drawn = [Image.open(path).tobytes() for path in Path("reports/sample-grid/pictures").rglob("*.png")]
    assert len(set(drawn)) == len(drawn)  # the base alone draws others
    assert json.loads(Path("metrics/merge.json").read_text())["layers_changed"] == 0
    train.main(["--plan"])
    assert "Nothing is trained" in capsys.readouterr().out


def test_the_example_of_a_new_algorithm_in_contributing_works(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(project, folder)
    for package in ("pipeline", "stages"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    section = (ROOT / "CONTRIBUTING.md").read_text().split("## A new network algorithm")[1]
    for path, text in re.findall(r"`(\S+/full\.\w+)`:\n\n```\w+\n(.*?)```", section, re.DOTALL):
        (folder / path).write_text(text)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params |= {"use": {"network": "full"}, "network": {"dora": True, "block_rates": "linear+0.5"}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    names = "compose, train, sample_grid, merge"
    subprocess.run(
        [sys.executable, "-c", f"from stages import {names}\nfor each in ({names}): each.main([])"],
        check=True,
        cwd=folder,
        env={**os.environ, "ATHANOR_STORE": str(folder / "store")},
    )
    with safe_open(folder / "models/network/net.safetensors", "pt") as file:
        leaves = {key.partition(".")[2] for key in file.keys()}  # noqa: SIM118
        assert json.loads(file.metadata()["ss_network_args"])["algo"] == "full"
    assert leaves == {"diff", "dora_scale"}
    assert json.loads((folder / "metrics/merge.json").read_text())["layers_changed"] > 0
