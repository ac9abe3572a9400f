"""How a base is made ready to draw: in 16 bits, which halve the memory of the denoiser and the text encoders
and are faster on a card, and with parts that come to the card in turn. Noise, samplers and the VAE stay in 32
bits: SDXL's VAE overflows in fp16.
"""

import torch

from pipeline.device import shares_memory
from pipeline.errors import warn
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.schemas.group import DrawingPrecision


def drawing_dtype(precision: DrawingPrecision) -> torch.dtype:
    """Of the weights of what computes."""
    return PRECISIONS[precision]


def comes_in_turn(model_offload: bool, device: torch.device) -> bool:
    """Whether parts wait in the machine's memory: not where the device has no other."""
    return model_offload and device.type != "cpu" and not shares_memory(device)


def warn_of_cpu(precision: DrawingPrecision, device: torch.device, group: str) -> None:
    if precision != "fp32" and device.type == "cpu":
        warn(
            f"{group}.precision {precision} is for cards; most CPUs are many times slower in it than in fp32"
        )
