"""Which kernels and options a run uses on its device, and why: one line at its start."""

import sys
from dataclasses import dataclass

import torch

from pipeline.device import best_device, leads
from pipeline.printable import printable
from pipeline.schemas import Config
from pipeline.training.optimizers import FUSED_OPTIMIZERS, PATHS
from pipeline.training.precision import is_scaled

FIRST_WITH_FLASH = FIRST_WITH_TF32 = (8, 0)
"""Compute capability of the first NVIDIA cards with torch's flash attention, and with TF32 (Ampere)."""


@dataclass(frozen=True)
class TrainingDevice:
    """kind: cuda, mps or cpu. capability: of an NVIDIA card."""

    kind: str
    name: str
    capability: tuple[int, int] = (0, 0)

    @classmethod
    def here(cls) -> "TrainingDevice":
        kind = best_device().type
        if kind != "cuda":
            return cls(kind, kind.upper())
        return cls(kind, torch.cuda.get_device_name(), torch.cuda.get_device_capability())

    @property
    def has_tf32(self) -> bool:
        return self.kind == "cuda" and self.capability >= FIRST_WITH_TF32


def uses_tf32(config: Config, card: TrainingDevice) -> bool:
    """In 16 bits the few products that stay in 32 may be rounded; a run in fp32 is exact."""
    return card.has_tf32 and config.train.precision != "fp32"


def choices(config: Config, card: TrainingDevice) -> list[str]:
    """What was chosen, each with its reason. Pure."""
    train, is_cuda = config.train, card.kind == "cuda"
    precision = train.precision
    kernel = f" ({_kernel(precision, card)})" if is_cuda else ""
    lines = [f"attention by torch's SDPA{kernel}"]
    if card.has_tf32:
        why = "few products are left in 32 bits" if precision != "fp32" else "train.precision fp32 is exact"
        lines.append(f"TF32 {'on' if uses_tf32(config, card) else 'off'} ({why})")
    lines.append(_memory_format(config))
    name = config.optimizer.name
    if PATHS.get(name, name) in FUSED_OPTIMIZERS:
        scaled = is_scaled(precision) and is_cuda
        lines.append(f"{name} {'not fused (fp16 scales gradients)' if scaled else 'fused'}")
    if is_cuda:
        lines.append("batches read ahead and pinned")
    more = [key for key in ("compile", "cuda_graph", "gradient_checkpointing") if getattr(train, key)]
    return [*lines, *(f"train.{key} on" for key in more)]


def _kernel(precision: str, card: TrainingDevice) -> str:
    if precision == "fp32":
        return "memory-efficient: flash needs 16 bits"
    if card.capability < FIRST_WITH_FLASH:
        return "memory-efficient: flash needs RTX 30 or newer"
    return "flash, if the shape allows"


def _memory_format(config: Config) -> str:
    """It is never chosen by itself: it changes the last bits."""
    if config.train.channels_last:
        return "channels_last on (train.channels_last: true)"
    return "channels_last off (train.channels_last: false)"


def choose(config: Config) -> None:
    """Sets torch's switches for this device, and says what was chosen."""
    card = TrainingDevice.here()
    exact = not uses_tf32(config, card)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = not exact
    if leads():
        print(printable(f"training on {card.name}: {'; '.join(choices(config, card))}"), file=sys.stderr)
