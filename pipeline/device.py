"""The device that computes, and settings that keep results repeatable."""

import os

import torch

from pipeline.unused_card import say_unused_card

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "NODE_RANK")
"""Variables in which launchers (torchrun, Lightning, SLURM) number the processes that train together."""


def best_device() -> torch.device:
    """CUDA, else Apple's MPS, else the CPU. Says once if a card is there that torch cannot use."""
    say_unused_card()
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def memory_of(device: torch.device) -> int | None:
    """Bytes of the device's memory that a training may take: what no other program holds. None for a CPU."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    return int(torch.mps.recommended_max_memory()) if device.type == "mps" else None


def shares_memory(device: torch.device) -> bool:
    """Whether what waits in the machine's memory takes the device's own."""
    return device.type == "mps"


def make_repeatable() -> None:
    """Uses deterministic algorithms; torch warns of operations that have none. cuBLAS has them only with a
    workspace of fixed size, which must be set before its first use.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    # True would fill each new tensor, to reveal reads of unwritten memory; torch advises false for speed.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def leads() -> bool:
    """Whether this process is the first of those that train together, or the only one: only it writes."""
    numbers = (os.environ[name] for name in RANKS if name in os.environ)
    return int(next(numbers, "0")) == 0
