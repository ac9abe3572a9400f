"""Says aloud that torch cannot use the card that is there, and what to do: a run on the CPU takes a hundred
times as long.
"""

from collections.abc import Sequence
from functools import cache

import torch

from pipeline import nvidia_card
from pipeline.errors import warn

GUIDE = "README.md, `Your GPU`"


@cache
def say_unused_card() -> None:
    """Warns once a process."""
    if sentence := unused_card():
        warn(sentence)


def unused_card() -> str | None:
    """A sentence if there is a card that torch cannot use and the user does not hide."""
    if torch.version.hip or nvidia_card.are_hidden():
        return None
    if torch.cuda.is_available():
        return _too_old(torch.cuda.get_device_capability(), torch.cuda.get_arch_list())
    if not nvidia_card.is_there():
        return None
    seen = "; ".join(nvidia_card.names())
    return f"an NVIDIA card is here{f' ({seen})' if seen else ''}, but torch cannot use it: {_reason(seen)}"


def _reason(seen: str) -> str:
    if torch.version.cuda is None:
        return (
            f"torch {torch.__version__} is built without CUDA. Install the build for it ({GUIDE}:"
            " `python tasks.py setup` does). Until then everything runs on the CPU, far slower"
        )
    if not seen:
        return (
            "its driver is not loaded. Install NVIDIA's driver and restart; `nvidia-smi` then lists the card."
            " Until then everything runs on the CPU, far slower"
        )
    return (
        f"its driver is too old for CUDA {torch.version.cuda}, or does not answer. Update NVIDIA's driver and"
        f" restart, or install a torch for an older CUDA ({GUIDE}). Until then everything runs on the CPU,"
        " far slower"
    )


def _too_old(capability: tuple[int, int], kernels: Sequence[str]) -> str | None:
    """A card older than every kernel of this torch, which fails in its first operation."""
    numbers = [int(each.partition("_")[2].rstrip("af")) for each in kernels if each.startswith("sm_")]
    own = 10 * capability[0] + capability[1]
    if not numbers or own >= min(numbers):
        return None
    return (
        f"the card {torch.cuda.get_device_name()} (sm_{own}) is older than what torch {torch.__version__}"
        f" supports (from sm_{min(numbers)}): install a torch for an older CUDA ({GUIDE})"
    )
