"""A small SDXL, as a single file and as a diffusers folder, through a whole merge."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from pipeline.bases.clip_names import transformers_name
from pipeline.bases.registry import family
from pipeline.bases.unet_blocks import block_names
from pipeline.bases.weight_names import part_of
from pipeline.config.recipes import parse
from pipeline.errors import UserError
from pipeline.files.safetensors_file import write_safetensors
from pipeline.merging.build import run_recipe
from pipeline.merging.checkpoint import open_checkpoint
from pipeline.merging.weights import block_of
from tests.pipeline.merging.random_checkpoints import random_weights
from tests.pipeline.merging.test_blocks import XL_UNET

FIRST_PREFIX, SECOND_PREFIX = (
    family("sdxl").part(name).file_prefix for name in ("text_encoder", "text_encoder_2")
)

SMALL = {"block_out_channels": [8, 16, 16], "norm_num_groups": 4, "attention_head_dim": [2, 2, 2]}
SMALL |= {
    "cross_attention_dim": 16,
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": 32,
}
SMALL |= {"transformer_layers_per_block": [1, 2, 3]}
TEXT = CLIPTextConfig(
    vocab_size=50, hidden_size=16, intermediate_size=32, num_attention_heads=2, num_hidden_layers=2,
    projection_dim=16,
)  # fmt: skip
SECOND = f"{SECOND_PREFIX}transformer.resblocks.1.attn.in_proj_weight"


def write_folder(path: Path, seed: int) -> None:
    with torch.device("meta"):
        modules = {
            "unet": UNet2DConditionModel.from_config(XL_UNET | SMALL),
            "text_encoder": CLIPTextModel(TEXT),
            "text_encoder_2": CLIPTextModelWithProjection(TEXT),
        }
    generator = torch.Generator().manual_seed(seed)
    parts: dict[str, dict[str, Tensor]] = {"vae": random_weights(seed)["vae"]}
    for part, module in modules.items():
        parts[part] = {
            transformers_name(key) if part == "text_encoder" else key: torch.randn(shape, generator=generator)
            for key, shape in ((key, tensor.shape) for key, tensor in module.state_dict().items())
            if "position_ids" not in key
        }
    for part, tensors in parts.items():
        (path / part).mkdir(parents=True)
        write_safetensors(path / part / "model.safetensors", tensors, {})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a and b as folders, and as the single files that a merge makes of them."""
    folder = tmp_path_factory.mktemp("xl")
    for seed, name in enumerate("ab"):
        write_folder(folder / name, seed)
        tensors = run(folder, name, folder / f"{name}.safetensors")
        scale = {f"{SECOND_PREFIX}logit_scale": torch.ones(())}  # which folders lack
        write_safetensors(folder / f"{name}.safetensors", tensors | scale, {})
    return folder


def run(folder: Path, step: Any, out: Path, **inputs: str) -> dict[str, Tensor]:
    names = {"a": "a", "b": "b", **inputs}
    used = {name: str(folder / path) for name, path in names.items() if f"'{name}'" in repr(step)}
    run_recipe(parse({"inputs": used, "merge": step, "dtype": "fp32"}, "recipe"), out)
    return load_file(out)


def test_a_file_and_a_folder_are_merged_by_nineteen_blocks(models: Path, tmp_path: Path) -> None:
    blocks = block_names(9)
    weights = [n / 20 for n in range(1, 20)]
    step = {"method": "weighted_sum", "a": "a", "b": "b", "alpha": [0.5, *weights]}
    mixed = run(models, step, tmp_path / "mixed.safetensors", a="a.safetensors")
    files = run(models, step, tmp_path / "files.safetensors", a="a.safetensors", b="b.safetensors")
    assert mixed.keys() == files.keys()
    assert all(torch.equal(mixed[key], files[key]) for key in mixed)
    a, b = (load_file(models / f"{name}.safetensors") for name in "ab")
    share = {"text_encoder": 0.5, "vae": 0.0}
    by_block = dict(zip(blocks, weights, strict=True))
    for key, tensor in mixed.items():
        part = part_of(key)
        weight = by_block[block_of(key, blocks)] if part == "unet" else share[part]
        weight = 0.0 if key.endswith("logit_scale") else weight
        assert torch.equal(tensor, torch.lerp(a[key], b[key], weight) if weight else a[key]), key


def test_a_lora_reaches_both_text_encoders_and_the_u_net(models: Path, tmp_path: Path) -> None:
    stem = "lora_te2_text_model_encoder_layers_1_self_attn_"
    modules = ["lora_unet_input_blocks_4_1_proj_in", f"{stem}k_proj"]
    modules += ["lora_te1_text_model_encoder_layers_0_mlp_fc1"]
    sizes = {modules[0]: (16, 16), modules[1]: (16, 16), modules[2]: (32, 16)}
    weights = {f"{name}.lora_up.weight": torch.ones(out, 1) for name, (out, _) in sizes.items()}
    weights |= {f"{name}.lora_down.weight": torch.ones(1, inside) for name, (_, inside) in sizes.items()}
    write_safetensors(models / "net.safetensors", weights, {})
    step = {"method": "bake", "model": "a", "network": "net", "strength": 0.25}
    found = run(models, step, tmp_path / "out.safetensors", a="a.safetensors", net="net.safetensors")
    a = load_file(models / "a.safetensors")
    changed = {key: found[key] - a[key] for key in a if not torch.equal(found[key], a[key])}
    assert set(changed) == {
        "model.diffusion_model.input_blocks.4.1.proj_in.weight",
        f"{FIRST_PREFIX}text_model.encoder.layers.0.mlp.fc1.weight",
        SECOND,
    }
    rows = changed[SECOND].abs().amax(1)
    assert rows[:16].tolist() == rows[32:].tolist() == [0.0] * 16  # queries and values stay
    assert torch.allclose(rows[16:32], torch.tensor(0.25), atol=1e-6)


def test_sd1_and_sdxl_do_not_merge(models: Path, tmp_path: Path) -> None:
    assert len(open_checkpoint(models / "a").blocks) == 19
    (tmp_path / "unet").mkdir()
    write_safetensors(tmp_path / "unet" / "model.safetensors", random_weights(0)["unet"], {})
    step = {"method": "weighted_sum", "a": "a", "b": "b", "alpha": 0.5}
    with pytest.raises(UserError, match="of different architectures"):
        run(models, step, tmp_path / "out.safetensors", b=str(tmp_path))
