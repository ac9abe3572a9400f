from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

from pipeline.bases.clip_names import transformers_name
from pipeline.bases.registry import family
from tests.pipeline.bases.random_sd1 import file_key


def on_meta(part: str, name: str = "sd1") -> Any:
    kind = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}[part]
    with torch.device("meta"):
        return kind.from_config(family(name).configs[part])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("conv_in.weight", "input_blocks.0.0.weight"),
        ("time_embedding.linear_2.bias", "time_embed.2.bias"),
        ("down_blocks.1.resnets.0.conv_shortcut.weight", "input_blocks.4.0.skip_connection.weight"),
        ("down_blocks.0.downsamplers.0.conv.weight", "input_blocks.3.0.op.weight"),
        ("mid_block.resnets.1.norm2.weight", "middle_block.2.out_layers.0.weight"),
        ("up_blocks.0.upsamplers.0.conv.bias", "output_blocks.2.1.conv.bias"),
        ("up_blocks.1.upsamplers.0.conv.bias", "output_blocks.5.2.conv.bias"),
        (
            "up_blocks.3.attentions.2.transformer_blocks.0.attn1.to_out.0.weight",
            "output_blocks.11.1.transformer_blocks.0.attn1.to_out.0.weight",
        ),
        ("conv_out.weight", "out.2.weight"),
    ],
)
def test_hand_worked_unet_names(ours: str, theirs: str) -> None:
    assert file_key("unet", ours) == f"model.diffusion_model.{theirs}"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("encoder.down_blocks.1.downsamplers.0.conv.weight", "encoder.down.1.downsample.conv.weight"),
        ("decoder.up_blocks.0.resnets.2.conv_shortcut.weight", "decoder.up.3.block.2.nin_shortcut.weight"),
        ("encoder.mid_block.attentions.0.to_out.0.bias", "encoder.mid.attn_1.proj_out.bias"),
        ("decoder.conv_norm_out.weight", "decoder.norm_out.weight"),
        ("post_quant_conv.weight", "post_quant_conv.weight"),
    ],
)
def test_hand_worked_vae_names(ours: str, theirs: str) -> None:
    assert file_key("vae", ours) == f"first_stage_model.{theirs}"


def test_text_encoders_always_get_the_level_that_transformers_5_dropped() -> None:
    name = "encoder.layers.0.mlp.fc1.bias"
    assert transformers_name(name) == transformers_name(f"text_model.{name}") == f"text_model.{name}"
    assert file_key("text_encoder", name) == f"cond_stage_model.transformer.text_model.{name}"


@pytest.mark.parametrize(("name", "count"), [("sd1", 686), ("sd2", 686), ("sdxl", 1680)])
def test_all_unet_names_are_those_that_diffusers_reads(name: str, count: int) -> None:
    made, module = family(name), on_meta("unet", name)
    origins = made.origins("unet", module.state_dict(), made.configs)
    names = {origin.key: key for key, origin in origins.items()}
    assert len(names) == count
    tags = {name: name for name in names}
    assert convert_ldm_unet_checkpoint(dict(tags), dict(module.config)) == {
        key: name for name, key in names.items()
    }


def test_all_vae_names_are_those_that_diffusers_reads() -> None:
    module = on_meta("vae")
    weights = {file_key("vae", key): tensor for key, tensor in module.state_dict().items()}
    converted = convert_ldm_vae_checkpoint(dict(weights), dict(module.config))
    assert converted.keys() == module.state_dict().keys()
    plain = [key for key in converted if ".attentions." not in key]
    assert all(converted[key] is weights[file_key("vae", key)] for key in plain)
