"""Says aloud that torch cannot use the card that is there, and what to do: a run on the CPU takes a hundred
times as long.
"""

import os
from collections.abc import Sequence
from functools import cache

import torch

from pipeline import amd_card, nvidia_card
from pipeline.errors import warn

GUIDE = "README.md, `Your GPU`"
ROCM_INDEX = "https://download.pytorch.org/whl/rocm7.2"
_ON_THE_CPU = "Until then everything runs on the CPU, far slower"


@cache
def say_unused_card() -> None:
    """Warns once a process."""
    if sentence := unused_card():
        warn(sentence)


def unused_card() -> str | None:
    """A sentence if there is a card that torch cannot use and the user does not hide."""
    if torch.cuda.is_available():
        too_old = _too_old(torch.cuda.get_device_capability(), torch.cuda.get_arch_list())
        return None if torch.version.hip else too_old
    if torch.version.hip or nvidia_card.are_hidden():
        return None
    if not nvidia_card.is_there():
        return _other_maker() if amd_card.is_there() else None
    seen = "; ".join(nvidia_card.names())
    if torch.version.cuda and (value := nvidia_card.named_but_absent()):
        return f"{_hiding(value, seen)}: cards count from 0. Unset it, or set it to 0. {_ON_THE_CPU}"
    return f"an NVIDIA card is here{f' ({seen})' if seen else ''}, but torch cannot use it: {_reason(seen)}"


def hidden_cards() -> str | None:
    """A sentence if the user hides the cards that are here."""
    if not (nvidia_card.are_hidden() and nvidia_card.is_there()):
        return None
    return _hiding(os.environ[nvidia_card.VISIBLE], "; ".join(nvidia_card.names()))


def _hiding(value: str, seen: str) -> str:
    cards = f" ({seen})" if seen else ""
    return f"{nvidia_card.VISIBLE} is {value!r}, which hides the card that is here{cards}"


def _other_maker() -> str:
    version = torch.__version__.partition("+")[0]
    build = ROCM_INDEX.rpartition("/")[2]
    return (
        f"an AMD card is here, but torch {torch.__version__} is not built for AMD's. Install ROCm's build:"
        f" `.venv/bin/pip install --constraint constraints.txt --extra-index-url {ROCM_INDEX}"
        f" torch=={version}+{build}` ({GUIDE}). {_ON_THE_CPU}"
    )


def _reason(seen: str) -> str:
    if torch.version.cuda is None:
        return (
            f"torch {torch.__version__} is built without CUDA. Install the build for it ({GUIDE}:"
            f" `python tasks.py setup` does). {_ON_THE_CPU}"
        )
    if not seen:
        return (
            "its driver is not loaded. Install NVIDIA's driver and restart; `nvidia-smi` then lists the card."
            f" {_ON_THE_CPU}"
        )
    return (
        f"its driver is too old for CUDA {torch.version.cuda}, or does not answer. Update NVIDIA's driver and"
        f" restart, or install a torch for an older CUDA ({GUIDE}). {_ON_THE_CPU}"
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
