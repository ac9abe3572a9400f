"""The floating-point precision of a run.

Mixed: the frozen base in 16 bits, the network's weights in 32, products in 16 (kohya-ss/sd-scripts
train_network.py). Full: the network's weights in 16 bits too.
"""

from typing import Any

import torch
from lightning.pytorch.plugins import MixedPrecision, Precision
from torch import nn
from transformers import T5EncoderModel

from pipeline.bases.t5_part import t5_dtype
from pipeline.device import best_device
from pipeline.errors import warn
from pipeline.schemas import Config

PRECISION_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
FULL = "_full"


class Mixed(MixedPrecision):
    """Clips gradients before a fused step, which Lightning refuses; without a scaler it is safe."""

    def clip_gradients(self, optimizer: Any, *arguments: Any, **named: Any) -> None:
        if self.scaler is None:
            Precision.clip_gradients(self, optimizer, *arguments, **named)
        else:
            super().clip_gradients(optimizer, *arguments, **named)


class HalfScaler(torch.amp.GradScaler):
    """Allows fp16 weights, which torch's own scaler refuses (as sd-scripts does with full_fp16)."""

    def _unscale_grads_(
        self,
        optimizer: Any,
        inv_scale: Any,
        found_inf: Any,
        allow_fp16: bool,
    ) -> Any:
        return super()._unscale_grads_(optimizer, inv_scale, found_inf, True)


def possible(precision: str) -> str:
    """On a CPU, which cannot scale the loss, fp16 becomes bf16 with a warning."""
    if precision.startswith("fp16") and best_device().type == "cpu":
        instead = precision.replace("fp16", "bf16")
        warn(f"train.precision {precision} needs a GPU; this CPU uses {instead} instead")
        return instead
    return precision


def trained_dtype(config: Config) -> torch.dtype:
    """The type in which the denoiser and the text encoders are read: the one that `cast` gives them. What is
    made from their exact weights needs them in float32: a full fine-tune, the start of an embedding, and
    DoRA's magnitudes.
    """
    network, precision = config.network, config.train.precision
    is_exact = network.name in ("checkpoint", "embedding") or getattr(network, "dora", False)
    if is_exact or (is_scaled(precision) and best_device().type == "cpu"):
        return torch.float32
    return PRECISION_DTYPES[precision.removesuffix(FULL)]


def is_scaled(precision: str) -> bool:
    """Whether the loss is scaled, so that small gradients survive fp16."""
    return precision.startswith("fp16")


def cast(precision: str, base: list[nn.Module], network: list[nn.Parameter]) -> None:
    """Casts the base's parts, and with full precision the network's weights, to 16 bits. With mixed precision
    a part that is trained itself (a full fine-tune) keeps 32 bits.
    """
    dtype, full = PRECISION_DTYPES[precision.removesuffix(FULL)], precision.endswith(FULL)
    learning = {id(parameter) for parameter in network}
    for part in base:
        if full or not any(id(parameter) in learning for parameter in part.parameters()):
            part.to(t5_dtype(dtype) if isinstance(part, T5EncoderModel) else dtype)
    if full:
        for parameter in network:
            parameter.data = parameter.data.to(dtype)


def trainer_precision(precision: str) -> dict[str, Any]:
    """lightning.Trainer's arguments."""
    if precision == "fp32":
        return {"precision": "32-true"}
    device = best_device().type
    if not is_scaled(precision):
        return {"plugins": [Mixed("bf16-mixed", device)]}
    scaler = HalfScaler(device) if precision.endswith(FULL) else torch.amp.GradScaler(device)
    return {"plugins": [Mixed("16-mixed", device, scaler)]}
