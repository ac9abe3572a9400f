"""Every family that can be trained, baked into a file, answers as it did attached."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open

from pipeline.base.load import BaseModel, load_base
from pipeline.base.save import save_file
from pipeline.config.recipes import parse
from pipeline.config.schemas import Base
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.merging.names import diffusers_unet_name, unet_name
from pipeline.merging.network_changes import Third, thirds_of
from pipeline.merging.run import run_recipe
from tests.pipeline.base.random_sd1 import random_base
from tests.pipeline.merging.random_checkpoints import REAL
from tests.pipeline.merging.test_blocks import XL_UNET
from tests.pipeline.networks.test_families import KINDS, trained
from tests.pipeline.networks.test_network import answer


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return random_base()


@pytest.fixture(scope="module")
def base_file(base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    save_file(base, path, "fp32", {})
    return path


def baked(base_file: Path, network: Path, strength: Any, out: Path) -> BaseModel:
    step = {"method": "bake", "model": "base", "network": "net", "strength": strength}
    inputs = {"base": str(base_file), "net": str(network)}
    run_recipe(parse({"inputs": inputs, "merge": step, "dtype": "fp32"}, "recipe"), out)
    return load_base(Base(path=str(out), vae=None, revision=None, clip_skip=1, sha256=None, vae_sha256=None))


@pytest.mark.parametrize("kind", KINDS)
def test_a_baked_file_answers_as_the_attached_network(
    kind: str, base: BaseModel, base_file: Path, tmp_path: Path
) -> None:
    network = trained(kind, base)
    write_safetensors(tmp_path / "net.safetensors", network.file_tensors("fp32"), {})
    result = baked(base_file, tmp_path / "net.safetensors", 0.7, tmp_path / "out.safetensors")
    network.set_multiplier(0.7)
    with network.attached(base):
        attached = answer(base)
    assert torch.allclose(answer(result), attached, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(answer(base), attached, atol=1e-2)


def test_by_block(base: BaseModel, base_file: Path, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "net.safetensors", trained("lora", base).file_tensors("fp32"), {})
    listed = {"blocks": [0.0] * 12 + [1.0] + [0.0] * 12, "base_alpha": 0}
    baked(base_file, tmp_path / "net.safetensors", listed, tmp_path / "out.safetensors")
    with safe_open(base_file, "pt") as before, safe_open(tmp_path / "out.safetensors", "pt") as after:
        changed = {
            key.split(".")[2]
            for key in before.keys()  # noqa: SIM118
            if not torch.equal(before.get_tensor(key), after.get_tensor(key))
        }
    assert changed == {"middle_block"}


def test_a_network_of_another_family_is_refused(base_file: Path, tmp_path: Path) -> None:
    weights = {"lora_unet_input_blocks_7_1_x.lora_up.weight": torch.ones(2, 2)}
    write_safetensors(tmp_path / "net.safetensors", weights, {})
    with pytest.raises(UserError, match="1 of its modules are not in this checkpoint"):
        baked(base_file, tmp_path / "net.safetensors", 1.0, tmp_path / "out.safetensors")
    write_safetensors(tmp_path / "emb.safetensors", {"emb_params": torch.ones(2, 2)}, {})
    with pytest.raises(UserError, match="no network that changes weights"):
        baked(base_file, tmp_path / "emb.safetensors", 1.0, tmp_path / "out.safetensors")


def test_the_names_turn_round() -> None:
    assert all(diffusers_unet_name(unet_name(key, is_xl=False)) == key for key in REAL["unet"])
    with torch.device("meta"):
        names = UNet2DConditionModel.from_config(XL_UNET).state_dict()
    assert all(diffusers_unet_name(unet_name(key, is_xl=True)) == key for key in names)


def test_sdxl_text_encoders_and_their_thirds() -> None:
    second = "conditioner.embedders.1.model.transformer.resblocks.3."
    stem = "lora_te2_text_model_encoder_layers_3_"
    assert thirds_of(f"{second}attn.in_proj_weight") == [
        Third(f"{stem}self_attn_{third}_proj", index, 3) for index, third in enumerate("qkv")
    ]
    assert thirds_of(f"{second}mlp.c_fc.weight") == [Third(f"{stem}mlp_fc1")]
    first = "conditioner.embedders.0.transformer.text_model.encoder.layers.3.mlp.fc2.weight"
    assert thirds_of(first) == [Third("lora_te1_text_model_encoder_layers_3_mlp_fc2")]
    unet = "model.diffusion_model.input_blocks.4.1.proj_in.weight"
    assert Third("lora_unet_input_blocks_4_1_proj_in") in thirds_of(unet)
