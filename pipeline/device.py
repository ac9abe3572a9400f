"""Where the arithmetic runs, and how it is kept repeatable."""

import os

import torch

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "NODE_RANK")
"""What launchers (torchrun, Lightning, SLURM) call a process's number among those that train together."""


def best_device() -> torch.device:
    """CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def make_repeatable() -> None:
    """Deterministic algorithms where there are any; a warning names those without."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    # Else each new tensor is filled, so that reading what nothing wrote shows; torch advises to do without.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def leads() -> bool:
    """Whether this process is the first, or the only one, of those that train together: it alone writes."""
    numbers = (os.environ[name] for name in RANKS if name in os.environ)
    return int(next(numbers, "0")) == 0
