"""Every family that can be trained, baked into a file, answers as it did attached."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.bases.save import save_file
from pipeline.bases.weight_names import TensorPiece, modules_of
from pipeline.config.recipes import parse
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.merging.build import run_recipe
from pipeline.networks.families import create
from pipeline.schemas import BaseConfig
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.networks.test_families import KINDS, filled, trained
from tests.pipeline.networks.test_network import answer, config

CHANGED = "model.diffusion_model.middle_block.1.proj_in.weight"


@pytest.fixture(scope="module")
def base() -> Base:
    return random_base()


@pytest.fixture(scope="module")
def base_file(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    save_file(base, path, "fp32", {})
    return path


def baked(base_file: Path, network: Path, strength: Any, out: Path) -> Base:
    step = {"method": "bake", "model": "base", "network": "net", "strength": strength}
    inputs = {"base": str(base_file), "net": str(network)}
    run_recipe(parse({"inputs": inputs, "merge": step, "dtype": "fp32"}, "recipe"), out)
    return load_base(BaseConfig.plain(str(out)))


DORA = {f"{name}, dora": config(name, dim=2, conv_dim=2, dora=True) for name in ("locon", "loha", "lokr")}


@pytest.mark.parametrize("kind", [*KINDS, *DORA])
def test_a_baked_file_answers_as_the_attached_network(
    kind: str, base: Base, base_file: Path, tmp_path: Path
) -> None:
    network = filled(create({**KINDS, **DORA}[kind], base, seed=0))
    write_safetensors(tmp_path / "net.safetensors", network.file_tensors("fp32"), {})
    result = baked(base_file, tmp_path / "net.safetensors", 0.7, tmp_path / "out.safetensors")
    network.set_weight(0.7)
    with network.attached(base):
        attached = answer(base)
    assert torch.allclose(answer(result), attached, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(answer(base), attached, atol=1e-2)


@pytest.mark.parametrize("prefix", ["unet.", "base_model.model."], ids=["diffusers", "peft"])
def test_a_lora_in_diffusers_layout_is_baked_as_in_sd_scripts(
    prefix: str, base: Base, base_file: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    up, down = torch.randn(16, 2), torch.randn(2, 16)
    place = "mid_block.attentions.0.transformer_blocks.0.attn1.to_v"
    module = f"lora_unet_{place.replace('.', '_')}"
    ours = {f"{module}.lora_up.weight": up, f"{module}.lora_down.weight": down}
    theirs = {f"{prefix}{place}.lora_B.weight": up, f"{prefix}{place}.lora_A.weight": down}
    write_safetensors(tmp_path / "ours.safetensors", ours, {})
    write_safetensors(tmp_path / "theirs.safetensors", theirs, {})
    answers = [
        answer(baked(base_file, tmp_path / f"{name}.safetensors", 1.0, tmp_path / "out.safetensors"))
        for name in ("ours", "theirs")
    ]
    assert torch.equal(*answers)
    assert not torch.allclose(answers[0], answer(base), atol=1e-3)


def test_by_block(base: Base, base_file: Path, tmp_path: Path) -> None:
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


def test_merged_then_baked_into_then_given_another_vae_is_the_same_step_by_step(
    base: Base, base_file: Path, tmp_path: Path
) -> None:
    save_file(random_base(1), tmp_path / "other.safetensors", "fp32", {})
    write_safetensors(tmp_path / "net.safetensors", trained("lora", base).file_tensors("fp32"), {})
    paths = {"a": base_file, "b": tmp_path / "other.safetensors", "net": tmp_path / "net.safetensors"}

    def made(step: Any, name: str, **more: Path) -> Path:
        inputs = {key: str(path) for key, path in (paths | more).items() if f"'{key}'" in str(step)}
        content = {"inputs": inputs, "merge": step, "dtype": "fp32"}
        run_recipe(parse(content, "recipe"), tmp_path / name)
        return tmp_path / name

    def merged(a: Any) -> dict[str, Any]:
        return {"method": "weighted_sum", "a": a, "b": "b", "alpha": 0.3}

    def with_network(model: Any) -> dict[str, Any]:
        return {"method": "bake", "model": model, "network": "net", "strength": 0.5}

    def with_vae(model: Any) -> dict[str, Any]:
        return {"method": "replace_vae", "model": model, "vae": "b"}

    at_once = load_file(made(with_vae(with_network(merged("a"))), "at_once.safetensors"))
    first = made(merged("a"), "1.safetensors")
    second = made(with_network("one"), "2.safetensors", one=first)
    third = load_file(made(with_vae("two"), "3.safetensors", two=second))
    assert all(torch.equal(third[key], at_once[key]) for key in third)
    turned = load_file(made(with_vae(merged(with_network("a"))), "turned.safetensors"))
    assert not torch.equal(turned[CHANGED], at_once[CHANGED])  # the network is weakened by the merge


def test_a_network_of_another_family_is_refused(base_file: Path, tmp_path: Path) -> None:
    weights = {"lora_unet_input_blocks_7_1_x.lora_up.weight": torch.ones(2, 2)}
    write_safetensors(tmp_path / "net.safetensors", weights, {})
    with pytest.raises(UserError, match="1 of its modules are not in this checkpoint"):
        baked(base_file, tmp_path / "net.safetensors", 1.0, tmp_path / "out.safetensors")
    write_safetensors(tmp_path / "emb.safetensors", {"emb_params": torch.ones(2, 2)}, {})
    with pytest.raises(UserError, match="not a network that changes only weights"):
        baked(base_file, tmp_path / "emb.safetensors", 1.0, tmp_path / "out.safetensors")
    torch.save({16: ({"linear.0.weight": torch.ones(2)}, {})}, tmp_path / "hyper.pt")
    with pytest.raises(UserError, match="a hypernetwork cannot be merged"):
        baked(base_file, tmp_path / "hyper.pt", 1.0, tmp_path / "out.safetensors")


def test_sdxl_text_encoders_and_their_pieces() -> None:
    second = "conditioner.embedders.1.model.transformer.resblocks.3."
    stem = "lora_te2_text_model_encoder_layers_3_"
    assert modules_of(f"{second}attn.in_proj_weight") == [
        TensorPiece(f"{stem}self_attn_{third}_proj", index, 3) for index, third in enumerate("qkv")
    ]
    assert modules_of(f"{second}mlp.c_fc.weight") == [TensorPiece(f"{stem}mlp_fc1")]
    first = "conditioner.embedders.0.transformer.text_model.encoder.layers.3.mlp.fc2.weight"
    assert modules_of(first) == [TensorPiece("lora_te1_text_model_encoder_layers_3_mlp_fc2")]
    unet = "model.diffusion_model.input_blocks.4.1.proj_in.weight"
    assert TensorPiece("lora_unet_input_blocks_4_1_proj_in") in modules_of(unet)
