"""The stages one after another, in two places: what they write, and that it is the same to the byte."""

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from tests.stages.project import make_project, outputs, run_all


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folders = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("one", "elsewhere/two"):
            folder = make_project(tmp_path_factory.mktemp("run") / name)
            patch.chdir(folder)
            patch.setenv("ATHANOR_STORE", str(folder / "store"))
            run_all()
            folders.append(folder)
    return folders


def test_two_folders_give_equal_bytes(two_runs: list[Path]) -> None:
    one, two = (outputs(folder) for folder in two_runs)
    assert one.keys() == two.keys()
    assert [path for path in one if one[path] != two[path]] == []


def test_the_outputs_have_the_names_that_others_rely_on(two_runs: list[Path]) -> None:
    written = outputs(two_runs[0]).keys()
    assert {
        "data/collected/records.jsonl", "data/collected/pictures/zib/0.png",
        "data/cropped/records.jsonl", "data/cropped/pictures/zib/0.png",
        "data/tags/tags.jsonl", "data/captions/captions.jsonl", "data/captions/zib/0.txt",
        "data/class_images/records.jsonl", "data/encoded/latents.safetensors",
        "models/network/net-000001.safetensors", "models/network/net-000002.safetensors",
        "models/network/net.safetensors",
        "metrics/train.json", "plots/train/loss.csv", "reports/sample-grid/grid.png",
        "reports/sample-grid/grid.json",
        "models/merged/net.safetensors", "metrics/merge.json",
    } <= written  # fmt: skip


def test_no_output_names_a_place(two_runs: list[Path]) -> None:
    for folder in two_runs:
        told = [path for path, data in outputs(folder).items() if str(folder).encode() in data]
        assert told == []


def test_the_network_file_says_what_it_is(two_runs: list[Path]) -> None:
    with safe_open(two_runs[0] / "models/network/net-000001.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["ss_network_dim"] == "2"
    assert metadata["ss_network_alpha"] == "1.0"
    assert metadata["ss_epoch"] == "1"
    assert metadata["ss_steps"] == "3"
    assert metadata["ss_num_train_images"] == "6"
    assert json.loads(metadata["ss_dataset_dirs"]) == {"2_zib": {"img_count": 3, "n_repeats": 2}}
    assert json.loads(metadata["ss_tag_frequency"])["2_zib"]["zib"] == 3
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert metadata["modelspec.trigger_phrase"] == "zib"
    recipe = json.loads(metadata["athanor.recipe"])
    assert recipe["params"]["network"]["dim"] == 2
    assert all(len(recipe["inputs"][name]) == 64 for name in ("base", "captions", "encoded"))


def test_the_metrics_count_what_was_done(two_runs: list[Path]) -> None:
    metrics = {path.stem: json.loads(path.read_text()) for path in (two_runs[0] / "metrics").iterdir()}
    wanted = {"captions": 0, "concepts": {"zib": 3}, "exposures": 6, "pictures": 3}
    assert metrics["collect"].items() >= wanted.items()
    assert metrics["train"]["steps"] == 6
    assert metrics["class_images"] == {"pictures": 0}
    lines = (two_runs[0] / "plots/train/loss.csv").read_text().splitlines()
    assert lines[0] == "step,epoch,loss,lr,text_encoder_lr"
    assert len(lines) == 7


def test_the_grid_has_the_base_and_every_epoch_at_every_weight(two_runs: list[Path]) -> None:
    grid = json.loads((two_runs[0] / "reports/sample-grid/grid.json").read_text())
    assert [(cell["epoch"], cell["weight"]) for cell in grid["cells"]] == [
        (0, 0.0),
        (1, 0.5),
        (1, 1.0),
        (2, 0.5),
        (2, 1.0),
    ]
