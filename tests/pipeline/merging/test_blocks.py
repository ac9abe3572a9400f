from collections import Counter
from pathlib import Path

import pytest
import sd_mecha
import torch
import yaml
from diffusers import UNet2DConditionModel

from pipeline.bases.registry import family
from pipeline.bases.unet_blocks import block_names
from pipeline.bases.unet_names import LDM_UNET_PREFIX
from pipeline.merging.weights import block_of, blocks_of
from tests.pipeline.bases.test_blocks import GOLDEN
from tests.pipeline.merging.random_checkpoints import REAL

XL_GOLDEN = {
    "IN00": 10, "IN01": 10, "IN02": 10, "IN03": 2, "IN04": 58, "IN05": 56, "IN06": 2, "IN07": 218,
    "IN08": 216, "M00": 226, "OUT00": 218, "OUT01": 218, "OUT02": 220, "OUT03": 58, "OUT04": 58,
    "OUT05": 60, "OUT06": 12, "OUT07": 12, "OUT08": 16,
}  # fmt: skip
"""Weights of SDXL's U-Net by block, counted from the published checkpoint."""
XL_UNET = {
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": [5, 10, 20],
    "transformer_layers_per_block": [1, 2, 10],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
"""As its unet/config.json has it."""
LISTS = Path(sd_mecha.__file__).parent / "extensions/builtin/model_configs"


def key_of(name: str, key: str) -> str:
    """A U-Net's tensor's name in a single file of the family."""
    made = family(name)
    return made.origin("unet", key, made.configs).key


def listed(name: str) -> set[str]:
    """U-Net names of a family, as sd-mecha lists them."""
    components = yaml.safe_load((LISTS / f"{name}.yaml").read_text())["components"]
    return {key for names in components.values() for key in names if key.startswith(LDM_UNET_PREFIX)}


def xl_diffusers_names() -> set[str]:
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(XL_UNET)
    return {key_of("sdxl", key) for key in unet.state_dict()}


def sd2_diffusers_names() -> set[str]:
    own = {"use_linear_projection": True, "cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20]}
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(family("sd1").configs["unet"] | own)
    return {key_of("sd1", key) for key in unet.state_dict()}


@pytest.mark.parametrize(
    ("names", "golden"),
    [
        (listed("sd1-ldm"), GOLDEN),
        ({key_of("sd1", key) for key in REAL["unet"]}, GOLDEN),
        (sd2_diffusers_names(), GOLDEN),
        (listed("sdxl-sgm"), XL_GOLDEN),
        (xl_diffusers_names(), XL_GOLDEN),
    ],
    ids=["SD 1.x, LDM", "SD 1.x, diffusers", "SD 2.x, diffusers", "SDXL, SGM", "SDXL, diffusers"],
)
def test_every_weight_has_its_block_in_every_layout(names: set[str], golden: dict[str, int]) -> None:
    blocks = blocks_of(names)
    assert blocks == tuple(golden)
    assert Counter(block_of(name, blocks) for name in names) == golden


def test_diffusers_names_become_exactly_those_of_the_single_files() -> None:
    assert {key_of("sd1", key) for key in REAL["unet"]} == listed("sd1-ldm")
    assert xl_diffusers_names() == listed("sdxl-sgm")


def test_both_halves_have_as_many_blocks() -> None:
    assert block_names(1) == ("IN00", "M00", "OUT00")
    assert len(block_names(12)) == 25


def test_another_u_net_has_no_blocks_that_are_known() -> None:
    assert (
        blocks_of(["double_blocks.0.img_attn.qkv.weight", f"{LDM_UNET_PREFIX}input_blocks.0.0.weight"])
        is None
    )
