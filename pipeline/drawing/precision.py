"""Makes a base ready to draw: in 16 bits, which halve the memory of the denoiser and the text encoders and
are faster on a card, and with parts that come to the card in turn. Noise, samplers and the VAE stay in 32
bits: SDXL's VAE overflows in fp16.
"""

import torch

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.device import best_device, shares_memory
from pipeline.errors import warn
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.schemas import BaseConfig
from pipeline.schemas.group import DrawingPrecision


def base_to_draw(config: BaseConfig, precision: DrawingPrecision, model_offload: bool, group: str) -> Base:
    """On the best device, or waiting to come there in turn. group: of the settings, for a warning."""
    device = best_device()
    if precision != "fp32" and device.type == "cpu":
        warn(
            f"{group}.precision {precision} is for cards; most CPUs are many times slower in it than in fp32"
        )
    base = load_base(config, PRECISIONS[precision])
    return base.in_turn(device) if comes_in_turn(model_offload, device) else base.to(device)


def comes_in_turn(model_offload: bool, device: torch.device) -> bool:
    """Whether parts wait in the machine's memory: not where the device has no other."""
    return model_offload and device.type != "cpu" and not shares_memory(device)
