"""A merge sweep as axes of a grid, planned and drawn."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from pipeline.bases.save import save_file
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.grid import renderer as cells
from pipeline.grid.merge_axes import Sweep, block_curves
from pipeline.grid.problems import axes_problems
from pipeline.networks.network import AdapterNetwork
from pipeline.schemas import SampleGridConfig
from stages import compose as compose_stage
from stages import sample_grid
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.networks.test_network import config as network_config
from tests.stages.project import make_project

SUM = {"method": "weighted_sum", "a": "base", "b": "other", "alpha": 0.5}
RECIPE = {"inputs": {"other": "other.safetensors"}, "merge": SUM}
BAKED = {"inputs": {}, "merge": {"method": "bake", "model": "base", "network": "network"}}


def config(**changes: Any) -> SampleGridConfig:
    values = {f"sample_grid.{name}": value for name, value in {"network": "none", **changes}.items()}
    return check(compose(Params({}, values))).sample_grid


def problems(recipe: Any, **changes: Any) -> str:
    return " ".join(axes_problems(config(**changes).model_copy(update={"merge": recipe})))


def test_places_of_the_recipe_by_hand() -> None:
    sweep = Sweep(RECIPE, "merge")
    assert sweep.overrides((("alpha", 0.3), ("base_alpha", 1.0))) == {
        "merge.alpha.blocks": 0.3, "merge.alpha.base_alpha": 1.0,
    }  # fmt: skip
    numbers = "0" + ",1" * 24
    assert sweep.overrides((("blocks", numbers),)) == {"merge.alpha.blocks": [0.0] + [1.0] * 24}
    assert Sweep(BAKED, "merge").overrides((("blocks", "GRAD_V"),)) == {"merge.strength.blocks": "GRAD_V"}
    with pytest.raises(UserError, match="no beta"):
        sweep.overrides((("beta", 0.3),))
    with pytest.raises(UserError, match=r"merge\.a: the recipe has no step"):
        Sweep(RECIPE, "merge.a").overrides((("alpha", 0.3),))


def test_block_curves() -> None:
    assert block_curves("GRAD_V, WRAP08") == ["GRAD_V", "WRAP08"]
    with pytest.raises(UserError, match="not a preset of block weights"):
        block_curves("GRAD_W")
    with pytest.raises(UserError, match="has 2 numbers"):
        block_curves(["1, 2"])


@pytest.mark.usefixtures("root")
def test_what_cannot_be_swept_is_told() -> None:
    axes = {"x": "merge_alpha", "x_values": "0-1 [3]", "y": "none"}
    assert problems(RECIPE, **axes) == ""
    assert "name its file in sample_grid.merge" in problems(None, **axes)
    both = {**axes, "y": "merge_blocks", "y_values": "GRAD_V"}
    assert "both set the U-Net's weight" in problems(RECIPE, **both)
    assert "no axis checkpoint" in problems(RECIPE, **axes, z="checkpoint", z_values="base")
    assert "uses `network`" in problems(BAKED, **axes, z="weight")
    assert "no beta" in problems(RECIPE, x="merge_beta", x_values="1", y="none")


def test_a_sweep_is_drawn_kept_and_said_and_writes_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_project(
        tmp_path / "project",
        sample_grid={
            "merge": "merge.yaml", "network": "none", "x": "merge_base_alpha", "x_values": "0, 1",
            "y": "merge_alpha", "y_values": "0, 1", "seeds": [1], "subject_tags": [],
        },
    )  # fmt: skip
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ATHANOR_STORE", str(tmp_path / "store"))
    Path("merge.yaml").write_text(yaml.safe_dump({**RECIPE, "dtype": "fp32"}))
    save_file(random_base(1), Path("other.safetensors"), "fp32", {})
    Path("data/cropped").mkdir(parents=True)
    Path("data/cropped/records.jsonl").touch()
    network = AdapterNetwork.create(network_config(), random_base(), seed=0)
    header = {"ss_output_name": "net"}
    write_safetensors(Path("models/network/net-000001.safetensors"), network.file_tensors("fp32"), header)
    compose_stage.main([])
    sample_grid.main([])
    out = Path("reports/sample-grid")
    rows = list(csv.DictReader((out / "grid.csv").read_text().splitlines()))
    assert [(row["row_label"], row["column_label"], row["merge"]) for row in rows] == [
        ("base alone", "base alpha 0", ""),
        ("alpha 0", "base alpha 0", "alpha 0.0, base_alpha 0.0"),
        ("alpha 0", "base alpha 1", "alpha 0.0, base_alpha 1.0"),
        ("alpha 1", "base alpha 0", "alpha 1.0, base_alpha 0.0"),
        ("alpha 1", "base alpha 1", "alpha 1.0, base_alpha 1.0"),
    ]
    pictures = [Image.open(out / row["file"]) for row in rows]
    assert pictures[0].tobytes() == pictures[1].tobytes()  # nothing of B
    assert len({picture.tobytes() for picture in pictures}) == 4
    said = json.loads(pictures[3].info["athanor"])["merge"]
    assert said["merge"]["alpha"]["blocks"] == 1.0
    assert said["inputs"]["other"]["sha256"]
    assert "Model: base + other" in pictures[3].info["parameters"]
    assert not list(out.rglob("*.safetensors"))
    monkeypatch.setattr(cells, "draw", None)  # a second run draws nothing
    sample_grid.main([])
