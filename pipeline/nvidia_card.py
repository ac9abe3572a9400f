"""Whether this computer has a card of NVIDIA's, asked without torch. Only the standard library: tasks.py asks
it before anything is installed.
"""

import os
import shutil
import subprocess
from pathlib import Path

from pipeline.pci_cards import NVIDIA, cards_of

DRIVER = Path("/proc/driver/nvidia/version")
VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable that says which cards a program may see, by number or name. CUDA stops reading at the first
one that is not there.
"""
_HIDDEN = ("", "-1", "NoDevFiles")
"""Its values that hide every card."""


def is_there() -> bool:
    """By the driver, by nvidia-smi (Windows, WSL), or on the PCI bus, where a card is seen without driver."""
    return DRIVER.is_file() or bool(names()) or any(cards_of(NVIDIA))


def names() -> list[str]:
    """A line for each card that the driver sees: its name and the driver's version."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    question = [command, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        ended = subprocess.run(question, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [] if ended.returncode else [line.strip() for line in ended.stdout.splitlines() if line.strip()]


def are_hidden() -> bool:
    """Whether the user keeps every card from torch."""
    return os.environ.get(VISIBLE, "all").strip() in _HIDDEN


def named_but_absent() -> str | None:
    """The value of CUDA_VISIBLE_DEVICES if the first card that it names is not there."""
    value = os.environ.get(VISIBLE)
    if value is None or are_hidden():
        return None
    first = value.split(",")[0].strip()
    is_number = first.lstrip("-").isdecimal()
    return value if is_number and not 0 <= int(first) < max(1, len(names())) else None
