"""The header of a .safetensors file, read without torch: eight bytes of length, then JSON."""

import json
import struct
from pathlib import Path

from pipeline.errors import UserError

MOST_BYTES = 100_000_000
"""The format's own limit."""


def metadata_of(path: Path) -> dict[str, str]:
    """`__metadata__`; empty where there is none. A file that is no .safetensors is a user error."""
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else MOST_BYTES + 1
        try:
            header = json.loads(file.read(length)) if length <= MOST_BYTES else None
        except ValueError:
            header = None
    if not isinstance(header, dict):
        raise UserError(f"{path} is not a readable .safetensors file; it may be cut short: fetch it again")
    found: dict[str, str] = header.get("__metadata__", {})
    return found
