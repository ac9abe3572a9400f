"""merge.recipe in a whole project: locked by compose, merged by the stage."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch
import yaml
from diffusers import StableDiffusionPipeline
from safetensors import safe_open
from safetensors.torch import load_file

from pipeline.bases.load import load_base
from pipeline.bases.save import file_tensors, save_file, save_folder
from pipeline.config import load
from pipeline.errors import UserError
from pipeline.files.atomic import write_text
from pipeline.files.hashing import sha256_of_file
from pipeline.files.safetensors_file import write_safetensors
from pipeline.merging.__main__ import main
from pipeline.networks.network import AdapterNetwork
from pipeline.schemas import BaseConfig
from pipeline.votes.grid_places import GRID_FILE, grid_name
from pipeline.votes.vote_file import VOTES, Pair, read_votes, votes_hash
from stages import compose, merge
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.networks.test_network import config
from tests.stages.project import make_project

RECIPE = {
    "inputs": {"other": "other.safetensors"},
    "merge": {
        "method": "weighted_sum",
        "a": {"method": "bake", "model": "base", "network": "network", "strength": 0.8},
        "b": "other",
        "alpha": {"blocks": "GRAD_V", "base_alpha": 0},
    },
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ready for the merge stage: a trained network, a chosen epoch, another checkpoint."""
    folder = make_project(tmp_path / "project", merge={"recipe": "merge.yaml"})
    monkeypatch.chdir(folder)
    Path("merge.yaml").write_text(yaml.safe_dump(RECIPE))
    save_file(random_base(1), Path("other.safetensors"), "fp32", {})
    network = AdapterNetwork.create(config(), random_base(), seed=0)
    header = {"ss_output_name": "net"}
    write_safetensors(Path("models/network/net-000001.safetensors"), network.file_tensors("fp32"), header)
    Path("reports/sample-grid").mkdir(parents=True)
    Path("reports/sample-grid/choice.json").write_text(json.dumps({"file": "net-000001.safetensors"}))
    return folder


def test_the_stage_merges_what_compose_locked(project: Path) -> None:
    compose.main([])
    merge.main([])
    facts = json.loads(Path("metrics/merge.json").read_text())
    assert facts["inputs"]["other"] == sha256_of_file(Path("other.safetensors"))
    assert facts["sha256"] == sha256_of_file(Path("models/merged/net.safetensors"))
    with safe_open("models/merged/net.safetensors", "pt") as file:
        assert json.loads(file.metadata()["athanor.merge"])["inputs"].keys() == {"base", "network", "other"}
    places = ["--search", ".", "models/network"]
    main(["run", "models/merged/net.safetensors", "--out", "again.safetensors", *places])
    assert Path("again.safetensors").read_bytes() == Path("models/merged/net.safetensors").read_bytes()


def test_the_default_is_a_recipe_too_and_is_made_again_to_the_byte(project: Path) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    save_folder(random_base(2), Path("other"), "fp32", {})
    params |= {"merge": {"alpha": 0.8}, "base": {**params["base"], "vae": "other/vae"}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    compose.main([])
    merge.main([])
    facts = json.loads(Path("metrics/merge.json").read_text())
    merged = Path("models/merged/net.safetensors")
    assert facts["network"] == "net-000001.safetensors"
    places = ["--search", ".", "models/network", "other"]
    main(["rebuild", str(merged), "--out", "again.safetensors", *places])
    # A base that lies in the hub's cache is loaded whole instead: the same numbers, to a rounding.
    loaded = load("merge")
    content = merge.recipe_content(loaded, Path("models/network/net-000001.safetensors"))
    hub = merge.bake_into_hub_base(loaded, content, Path("hub"))
    assert hub["layers_changed"] == facts["layers_changed"] - num_vae_layers(merged)
    ours, theirs = load_file(merged), load_file("hub.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[key].float(), theirs[key].float(), rtol=1e-3, atol=1e-7) for key in ours)


@pytest.mark.parametrize(("first", "second", "is_used"), [("base", "other", True), ("other", "base", False)])
def test_base_prediction_type_is_of_the_base_alone(
    first: str, second: str, is_used: bool, project: Path
) -> None:
    """The result predicts as its first checkpoint does, which may be another one."""
    merge_step = {"method": "weighted_sum", "a": first, "b": second, "alpha": 0.5}
    (project / "merge.yaml").write_text(yaml.safe_dump({**RECIPE, "merge": merge_step}))
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["base"]["prediction_type"] = "v_prediction"
    Path("params.yaml").write_text(yaml.safe_dump(params))
    compose.main([])
    content = merge.recipe_content(load("merge"), Path("models/network/net-000001.safetensors"))
    assert content.get("prediction_type") == ("v_prediction" if is_used else None)


def num_vae_layers(path: Path) -> int:
    return len({key.rpartition(".")[0] for key in load_file(path) if key.startswith("first_stage_model.")})


def test_a_folder_holds_the_files_numbers(project: Path) -> None:
    compose.main([])
    merge.main([])
    merge.main(["merge.layout=folder", "--out", "tries"])
    one = load_file("models/merged/net.safetensors")
    unet = load_file("tries/models/merged/net/unet/diffusion_pytorch_model.safetensors")
    assert one["model.diffusion_model.out.2.weight"].equal(unet["conv_out.weight"])
    config = yaml.safe_load(Path("params.resolved.yaml").read_text())["base"]
    folder, file = (
        file_tensors(load_base(BaseConfig(**{**config, "path": path, "sha256": None})), torch.float32)
        for path in ("tries/models/merged/net", "models/merged/net.safetensors")
    )
    assert folder.keys() == file.keys()
    assert all(torch.equal(folder[name], file[name]) for name in file)
    pipe = StableDiffusionPipeline.from_pretrained("tries/models/merged/net", safety_checker=None)
    assert pipe.unet.conv_out.weight.equal(unet["conv_out.weight"].float())


def test_a_folder_that_fails_in_the_middle_is_absent(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compose.main([])

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    for layout in ("file", "folder"):
        with pytest.raises(UserError, match=r"No space left on device.*free space"):
            merge.main([f"merge.layout={layout}", "--out", "tries"])
        assert not list(Path("tries").rglob("*.safetensors"))
        assert not Path("tries/models/merged").exists()


def test_compose_tells_every_mistake_of_a_recipe(project: Path) -> None:
    Path("merge.yaml").write_text(yaml.safe_dump({**RECIPE, "inputs": {"other": "missing.safetensors"}}))
    with pytest.raises(UserError, match=r"inputs\.other missing\.safetensors: no such file"):
        compose.main([])
    Path("merge.yaml").write_text(yaml.safe_dump({**RECIPE, "merge": {"method": "weightd_sum"}}))
    with pytest.raises(UserError, match="did you mean weighted_sum"):
        compose.main([])
    inputs = {"other": {"path": "other.safetensors", "sha256": "0" * 64}}
    Path("merge.yaml").write_text(yaml.safe_dump({**RECIPE, "inputs": inputs}))
    with pytest.raises(UserError, match="but the recipe has 000"):
        compose.main([])


def test_the_voted_epoch_is_merged_and_only_its_votes_merge_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Path("models/network/net-000001.safetensors")
    Path("models/network/net-000002.safetensors").write_bytes(network.read_bytes())
    cells = [
        {"row": row, "column": 0, "network": f"net-{row + 1:06}.safetensors", "epoch": row + 1, "weight": 0.8}
        for row in range(2)
    ]
    content = {"cells": cells, "rows": ["epoch 1", "epoch 2"], "columns": ["weight 0.8"], "sheets": [""]}
    write_text(GRID_FILE, json.dumps(content))
    name = grid_name(GRID_FILE.read_bytes())
    pairs = [Pair(name, "epoch 1, weight 0.8", "epoch 2, weight 0.8", 1, seed) for seed in range(12)]
    write_text(VOTES, "".join(f'"{pair.name}": second\n' for pair in pairs))
    compose.main([])
    before = Path("params.resolved.yaml").read_bytes()
    assert load("merge").merge.votes is None
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump({**params, "merge": {"epoch": "voted"}}))
    compose.main([])
    assert load("merge").merge.votes == votes_hash(read_votes())
    merge.main([])
    assert "drawn at weight 0.8, but merge.alpha is 1," in capsys.readouterr().err
    facts = json.loads(Path("metrics/merge.json").read_text())
    assert facts["network"] == "net-000002.safetensors"
    assert (facts["place"], facts["votes"]) == ("epoch 2, weight 0.8", 12)
    write_text(VOTES, f'"{pairs[0].name}": first\n')
    with pytest.raises(UserError, match="changed since"):
        merge.main([])
    compose.main([])
    with pytest.raises(UserError, match=r"1 vote: epoch 1, weight 0\.8 leads, but not surely before epoch 2"):
        merge.main([])
    Path("params.yaml").write_text(yaml.safe_dump(params))
    compose.main([])
    assert Path("params.resolved.yaml").read_bytes() == before


def test_votes_that_cannot_be_read_stop_compose_if_they_count(project: Path) -> None:
    write_text(VOTES, "epoch 1: best\n")
    compose.main([])
    with pytest.raises(UserError, match="epoch 1 is not a vote"):
        load("merge", ["merge.epoch=voted"])
    write_text(VOTES, "{}\n")
    with pytest.raises(UserError, match=r"votes .* have the hash None, but merge\.votes is aaaa"):
        load("merge", ["merge.epoch=voted", f"merge.votes={'a' * 64}"])
