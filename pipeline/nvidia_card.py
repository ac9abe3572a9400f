"""Whether this computer has a card of NVIDIA's, asked without torch. Only the standard library: tasks.py asks
it before anything is installed.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

PCI_DEVICES = Path("/sys/bus/pci/devices")
DRIVER = Path("/proc/driver/nvidia/version")
VENDOR, DISPLAY_CLASS = "0x10de", "0x03"
"""NVIDIA's number on the PCI bus, and the first digits of the class of graphics cards."""
_HIDDEN = ("", "-1", "NoDevFiles")
"""Values of CUDA_VISIBLE_DEVICES that hide every card."""


def is_there() -> bool:
    """By the driver, by nvidia-smi (Windows, WSL), or on the PCI bus, where a card is seen without driver."""
    return DRIVER.is_file() or bool(names()) or any(_on_the_bus())


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
    """Whether the user keeps cards from torch."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in _HIDDEN


def _on_the_bus() -> Iterator[bool]:
    for device in PCI_DEVICES.glob("*"):
        try:
            vendor, kind = ((device / name).read_text() for name in ("vendor", "class"))
        except OSError:
            continue
        yield vendor.strip() == VENDOR and kind.startswith(DISPLAY_CLASS)
