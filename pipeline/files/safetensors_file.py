"""Reads .safetensors files, and writes them with bytes that depend only on their content.

The safetensors package writes metadata in hash-map order; here keys are sorted, and tensors are ordered by
type, then name, as in the package. The package does the reading.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from pipeline.files.atomic import new_file
from pipeline.files.damage import reporting_damage
from pipeline.files.safetensors_header import read_header

Tensors = Mapping[str, Tensor]
DTYPE_NAMES = {
    torch.uint64: "U64", torch.int64: "I64", torch.float64: "F64", torch.float32: "F32", torch.uint32: "U32",
    torch.int32: "I32", torch.bfloat16: "BF16", torch.float16: "F16", torch.uint16: "U16",
    torch.int16: "I16", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2", torch.int8: "I8",
    torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
"""In the order of the safetensors package."""

PRECISIONS = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
"""By their common names."""


def ordered(tensors: Tensors) -> list[str]:
    """Keys in the order of their bytes in the file."""
    ranks = {dtype: rank for rank, dtype in enumerate(DTYPE_NAMES)}
    return sorted(tensors, key=lambda name: (ranks[tensors[name].dtype], name))


def header(tensors: Tensors, metadata: Mapping[str, str]) -> bytes:
    """Length and JSON header, padded to 8 bytes."""
    entries: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    offset = 0
    for name in ordered(tensors):
        tensor = tensors[name]
        end = offset + tensor.numel() * tensor.element_size()
        entries[name] = {
            "dtype": DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def chunks(tensors: Tensors) -> Iterator[memoryview]:
    """The tensors' bytes, one tensor at a time."""
    for name in ordered(tensors):
        flat = tensors[name].detach().cpu().contiguous().flatten()
        yield memoryview(flat.view(torch.uint8).numpy())  # type: ignore[arg-type]


def write_safetensors(path: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    """Writes the file, whole or not at all."""
    with new_file(path) as part, part.open("wb") as file:
        file.write(header(tensors, metadata))
        for chunk in chunks(tensors):
            file.write(chunk)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors on the CPU, metadata); a missing or damaged file is a user error."""
    header = read_header(path)
    with reporting_damage(f"{path} is not a readable .safetensors file"), safe_open(path, "pt") as file:
        return {key: file.get_tensor(key) for key in header.tensors}, dict(header.metadata)
