from collections import Counter

import torch
from diffusers import UNet2DConditionModel

from pipeline.bases.registry import family

GOLDEN = {
    "IN00": 6, "IN01": 36, "IN02": 36, "IN03": 2, "IN04": 38, "IN05": 36, "IN06": 2, "IN07": 38, "IN08": 36,
    "IN09": 2, "IN10": 10, "IN11": 10, "M00": 46, "OUT00": 12, "OUT01": 12, "OUT02": 14, "OUT03": 38,
    "OUT04": 38, "OUT05": 40, "OUT06": 38, "OUT07": 38, "OUT08": 40, "OUT09": 38, "OUT10": 38, "OUT11": 42,
}  # fmt: skip
"""Weights of SD 1.x's U-Net by block, counted from published checkpoints."""


def test_every_weight_has_its_block() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(family("sd1").configs["unet"])
    assert Counter(block_of(key) for key in unet.state_dict()) == GOLDEN
    assert tuple(GOLDEN) == BLOCKS
