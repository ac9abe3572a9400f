"""A file or a preset for another family is one sentence, before the first stage runs."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from pipeline.bases.registry import families, family
from pipeline.errors import UserError
from pipeline.networks.file_family import family_of_path, token_widths
from stages import compose
from tests.pipeline.test_preflight import edit, project

__all__ = ["project"]
pytestmark = pytest.mark.usefixtures("collect_in_process")
ATTENTION = "down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
XL_ATTENTION = "input_blocks_4_1_transformer_blocks_0_attn2_to_k"
FILES: dict[str, tuple[str, dict[str, tuple[int, ...]], dict[str, str]]] = {
    "sd-scripts SD 1": ("Stable Diffusion 1.x", {f"lora_unet_{ATTENTION}.lora_down.weight": (2, 768)}, {}),
    "sd-scripts SD 2": ("Stable Diffusion 2.x", {f"lora_unet_{ATTENTION}.lora_down.weight": (2, 1024)}, {}),
    "sd-scripts XL": ("Stable Diffusion XL", {f"lora_unet_{XL_ATTENTION}.lora_down.weight": (2, 2048)}, {}),
    "PEFT SD 2": (
        "Stable Diffusion 2.x",
        {"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (2, 1024)},
        {},
    ),
    "diffusers XL": (
        "Stable Diffusion XL",
        {"text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight": (2, 1280)},
        {},
    ),
    "LoHa SD 1": ("Stable Diffusion 1.x", {f"lora_unet_{ATTENTION}.hada_w1_b": (2, 768)}, {}),
    "IA3 by its header": (
        "Stable Diffusion 2.x",
        {f"lora_unet_{ATTENTION}.weight": (640,)},
        {"ss_base_model_version": "sd_v2_v"},
    ),
    "Flux": ("Flux", {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (2, 3072)}, {}),
    "embedding SD 1": ("Stable Diffusion 1.x", {"emb_params": (3, 768)}, {}),
    "embedding SD 2": ("Stable Diffusion 2.x", {"clip_h": (3, 1024)}, {}),
    "embedding XL": ("Stable Diffusion XL", {"clip_l": (3, 768), "clip_g": (3, 1280)}, {}),
    "embedding SD 3": (
        "Stable Diffusion 3",
        {"clip_l": (3, 768), "clip_g": (3, 1280), "t5xxl": (3, 4096)},
        {},
    ),
    "embedding SD 3 by its header": (
        "Stable Diffusion 3",
        {"clip_l": (3, 768), "clip_g": (3, 1280)},
        {"modelspec.architecture": "stable-diffusion-3-medium/textual-inversion"},
    ),
    "hypernetwork": (
        "Stable Diffusion 2.x",
        {"1024.key.linear.0.weight": (1, 1), "320.key.linear.0.weight": (1, 1)},
        {"athanor.hypernetwork": "{}"},
    ),
}  # fmt: skip


def write(path: Path, shapes: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> Path:
    tensors: dict[str, Tensor] = {name: torch.zeros(shape) for name, shape in shapes.items()}
    save_file(tensors, path, metadata)
    return path


def refusal(**groups: dict[str, Any]) -> str:
    """The only problem that stops `stages.compose`."""
    for group, values in groups.items():
        edit(Path(), group, **values)
    with pytest.raises(UserError) as failure:
        compose.main([])
    assert not Path("params.resolved.yaml").exists()
    (problem,) = failure.value.problems
    return problem


@pytest.mark.parametrize("name", FILES)
def test_a_header_shows_the_family(name: str, tmp_path: Path) -> None:
    title, shapes, metadata = FILES[name]
    assert family_of_path(write(tmp_path / "file.safetensors", shapes, metadata)) == title


def test_a_header_may_not_show_it(tmp_path: Path) -> None:
    shapes: dict[str, tuple[int, ...]] = {
        "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": (2, 1280)
    }
    assert family_of_path(write(tmp_path / "file.safetensors", shapes)) is None
    assert family_of_path(tmp_path / "nowhere.safetensors") is None


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", ["sd-scripts SD 2", "diffusers XL", "Flux"])
def test_a_lora_to_continue(name: str) -> None:
    title, shapes, metadata = FILES[name]
    write(Path("lora.safetensors"), shapes, metadata)
    assert refusal(network={"initial": "lora.safetensors"}) == (
        f"network.initial lora.safetensors is for {title}, but base.path base is Stable Diffusion 1.x: use a"
        " file for Stable Diffusion 1.x, or another base"
    )


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("name", "prompt"), [("sd-scripts XL", "zib <lora:ink:1>"), ("embedding XL", "zib in ink")]
)
def test_files_that_a_prompt_calls(name: str, prompt: str) -> None:
    Path("loras").mkdir()
    write(Path("loras/ink.safetensors"), FILES[name][1])
    write(Path("loras/uncalled.safetensors"), FILES["Flux"][1])
    said = refusal(sample_grid={"prompts": [prompt], "prompt_networks": ["loras"]})
    assert (
        "loras/ink.safetensors is for Stable Diffusion XL, but base.path base is Stable Diffusion 1.x" in said
    )


@pytest.mark.usefixtures("project")
def test_a_network_of_an_axis() -> None:
    write(Path("ink.safetensors"), FILES["sd-scripts XL"][1])
    said = refusal(
        sample_grid={"x": "network", "x_values": ["ink.safetensors"], "y": "none", "y_values": None}
    )
    assert said.startswith("sample_grid.x_values ink.safetensors is for Stable Diffusion XL, but")


@pytest.mark.usefixtures("project")
def test_a_recipe_of_two_families() -> None:
    unet = "model.diffusion_model."
    write(
        Path("xl.safetensors"),
        {f"{unet}input_blocks.0.0.weight": (8, 4, 3, 3), f"{unet}label_emb.0.0.weight": (8, 2816),
         f"{unet}input_blocks.4.1.proj_in.weight": (8, 8),
         f"{unet}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (8, 2048)},
    )  # fmt: skip
    recipe = {
        "inputs": {"big": "xl.safetensors"},
        "merge": {"method": "weighted_sum", "a": "base", "b": "big", "alpha": 0.5},
    }
    Path("recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert refusal(use={"merge": "recipe"}, merge={"recipe": "recipe.yaml"}) == (
        "merge.recipe merges files for different families (base.path base is for Stable Diffusion 1.x;"
        " inputs.big xl.safetensors is for Stable Diffusion XL): choose inputs for one family"
    )


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("preset", ["sdxl_character", "sdxl_style"])
def test_a_preset(preset: str) -> None:
    assert refusal(use={"experiment": preset}).startswith(
        "base.family is sdxl, but base.path base is Stable Diffusion 1.x (sd1); correct one of them"
    )


def test_every_family_has_its_own_width_of_tokens() -> None:
    widths = {name: sum(family(name).token_widths(family(name).configs)) for name in families()}
    assert widths == {"sd1": 768, "sd2": 1024, "sdxl": 2048, "sd3": 2048}
    assert token_widths()[2048].name == "sdxl"
