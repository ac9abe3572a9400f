"""The same LoRA under the names that other tools write is read as the same tensors."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from pipeline.bases.layers import changeable_modules
from pipeline.bases.unet_names import LDM_UNET_PREFIX
from pipeline.errors import UserError
from pipeline.networks.conversion import convert
from pipeline.networks.families import family_of_file
from pipeline.networks.layouts import is_foreign
from pipeline.networks.network_files import read_weights
from pipeline.networks.scales import say_once
from tests.pipeline.bases.random_sd1 import file_key, random_base

PLACES = [
    "down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_out.0",
    "down_blocks.1.downsamplers.0.conv",
    "mid_block.attentions.0.proj_in",
    "mid_block.resnets.1.conv2",
    "up_blocks.0.upsamplers.0.conv",
    "up_blocks.3.resnets.0.time_emb_proj",
    "conv_in",
    "time_embedding.linear_2",
]
IN_TEXT = "encoder.layers.1.self_attn.q_proj"
PEFT = "unet.base_model.model.{}"
A, B, DOWN, UP = "lora_A.weight", "lora_B.weight", "lora_down.weight", "lora_up.weight"


def ldm(place: str) -> str:
    return file_key("unet", f"{place}.weight").removeprefix(LDM_UNET_PREFIX).removesuffix(".weight")


COMFY, CLIP = "text_encoders.clip_l.transformer.text_model.", "clip_l.text_model."
LAYOUTS: dict[str, tuple[Callable[[str], str], str, str, str]] = {
    "ComfyUI's LoraSave": (lambda place: f"diffusion_model.{ldm(place)}", COMFY, DOWN, UP),
    "ComfyUI by OneTrainer": (lambda place: f"diffusion_model.{ldm(place)}", COMFY, A, B),
    "original by OneTrainer": (ldm, CLIP, A, B),
    "OneTrainer's own": (lambda place: f"unet.{place}", "text_encoder.text_model.", DOWN, UP),
    "OMI": (lambda place: f"unet.{ldm(place)}", CLIP, DOWN, UP),
    "PEFT with parts": (PEFT.format, "text_encoder.base_model.model.", A, B),
    "diffusers of transformers 5": (lambda place: f"unet.{place}", "text_encoder.", A, B),
}


def ours() -> dict[str, Tensor]:
    """A LoRA of every kind of place, alpha 1 of rank 2."""
    generator = torch.Generator().manual_seed(0)
    names = [f"lora_unet_{place.replace('.', '_')}" for place in PLACES]
    names.append(f"lora_te_text_model_{IN_TEXT.replace('.', '_')}")
    made = {}
    for name in names:
        made[f"{name}.{DOWN}"] = torch.randn(2, 3, generator=generator)
        made[f"{name}.{UP}"] = torch.randn(3, 2, generator=generator)
        made[f"{name}.alpha"] = torch.tensor(1.0)
    return made


@pytest.mark.parametrize("layout", LAYOUTS)
def test_d3_every_layout_of_names_is_read(layout: str, tmp_path: Path) -> None:
    in_unet, text, down, up = LAYOUTS[layout]
    names = dict(zip([*PLACES, IN_TEXT], [*map(in_unet, PLACES), text + IN_TEXT], strict=True))
    leaves = {DOWN: down, UP: up, "alpha": "alpha"}
    expected, theirs = ours(), dict[str, Tensor]()
    for place, name in names.items():
        own = ("lora_te_text_model_" if place == IN_TEXT else "lora_unet_") + place.replace(".", "_")
        theirs |= {f"{name}.{leaf}": expected[f"{own}.{key}"] for key, leaf in leaves.items()}
    save_file(theirs, tmp_path / "a.safetensors")
    found = read_weights(tmp_path / "a.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    torch.save(theirs, tmp_path / "a.bin")
    assert read_weights(tmp_path / "a.bin").keys() == expected.keys()
    assert family_of_file(tmp_path / "a.bin") == "lora"


def test_d3_the_places_are_those_of_a_base() -> None:
    base = random_base()
    names = {key.partition(".")[0] for key in ours()}
    assert names <= changeable_modules(base).keys()


def test_d3_hand_worked_names(tmp_path: Path) -> None:
    """ComfyUI's LoraSave writes no alpha: the scale is 1, so alpha is the rank. (SDXL's rows by
    sd-scripts.)
    """
    pairs = {
        "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q":
            "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
        "diffusion_model.output_blocks.5.2.conv": "lora_unet_up_blocks_1_upsamplers_0_conv",
        "diffusion_model.middle_block.2.in_layers.2": "lora_unet_mid_block_resnets_1_conv1",
        "text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1":
            "lora_te_text_model_encoder_layers_0_mlp_fc1",
        "lora_te_encoder_layers_0_mlp_fc2": "lora_te_text_model_encoder_layers_0_mlp_fc2",
        "lycoris_mid_block_attentions_0_proj_in": "lora_unet_mid_block_attentions_0_proj_in",
    }  # fmt: skip
    assert names_of(pairs, tmp_path) == set(pairs.values())
    xl = {
        "unet.down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q":
            "lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_q",
        "unet.up_blocks.0.upsamplers.0.conv": "lora_unet_output_blocks_2_2_conv",
        "text_encoder.text_model.encoder.layers.0.mlp.fc1": "lora_te1_text_model_encoder_layers_0_mlp_fc1",
        "text_encoder_2.text_model.encoder.layers.0.mlp.fc1": "lora_te2_text_model_encoder_layers_0_mlp_fc1",
    }  # fmt: skip
    assert names_of(xl, tmp_path) == set(xl.values())


def names_of(pairs: dict[str, str], folder: Path) -> set[str]:
    save_file(
        {f"{name}.{leaf}": torch.ones(4, 4) for name in pairs for leaf in (DOWN, UP)},
        folder / "b.safetensors",
    )
    found = read_weights(folder / "b.safetensors")
    assert all(float(value) == 4 for key, value in found.items() if key.endswith("alpha"))
    return {key.partition(".")[0] for key in found}


def test_d3_bundled_embeddings_are_named_and_can_be_taken_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say_once.cache_clear()
    path, rows = tmp_path / "a.safetensors", torch.arange(8.0).reshape(2, 4)
    save_file({**ours(), "bundle_emb.zib.string_to_param.*": rows, "bundle_emb.zob.clip_l": rows + 1}, path)
    assert read_weights(path).keys() == ours().keys()
    assert "contains the embeddings zib, zob" in capsys.readouterr().err
    written = convert(path, tmp_path / "words")
    assert written == [tmp_path / "words" / f"{word}.safetensors" for word in ("zib", "zob")]
    assert torch.equal(read_weights(written[1])["emb_params"], rows + 1)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (
            "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight",
            "it is for SD 3, Flux or another transformer",
        ),
        ("diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight", "it is for Flux"),
        ("nowhere.7.to_q.lora_A.weight", "1 of its keys are not known"),
        ("unet.nowhere.7.to_q.lora_A.weight", "1 of its keys are not known"),
    ],
)
def test_d3_other_families_and_unknown_places_are_refused_by_name(
    key: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    save_file({key: torch.ones(2, 2), "unet.conv_in.lora_A.weight": torch.ones(2, 2)}, path)
    with pytest.raises(UserError, match=reason):
        read_weights(path)


def test_files_of_other_kinds_are_left_as_they_are() -> None:
    others = [
        ["emb_params"], ["clip_l", "clip_g"], ["body.0.rdb1.conv1.weight"], ["decoder.conv_in.weight"],
        ["model.diffusion_model.out.2.weight", "cond_stage_model.transformer.text_model.x.weight"],
        ["lora_unet_conv_in.lora_down.weight", "lora_unet_conv_in.alpha"],
    ]  # fmt: skip
    assert not any(map(is_foreign, others))
