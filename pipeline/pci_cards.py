"""Graphics cards on the PCI bus, where Linux shows them without any driver. Only the standard library."""

from collections.abc import Iterator
from pathlib import Path

PCI_DEVICES = Path("/sys/bus/pci/devices")
NVIDIA, AMD = "0x10de", "0x1002"
"""The makers' numbers."""
_DISPLAY_CLASS = "0x03"
"""The first digits of the class of graphics cards."""


def cards_of(maker: str) -> Iterator[Path]:
    """The folders of this maker's cards."""
    for device in PCI_DEVICES.glob("*"):
        kind = text_in(device / "class")
        if text_in(device / "vendor") == maker and kind and kind.startswith(_DISPLAY_CLASS):
            yield device


def text_in(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None
