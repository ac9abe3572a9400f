"""Writes a tree of steps as a .safetensors file, tensor by tensor: read, merged in float32, rounded once,
written.

Two threads hold one piece of a tensor each at a time, so memory stays small for any checkpoint. A tensor that
the recipe does not change keeps its bytes if it has the requested type.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Protocol

import torch
from torch import Tensor

from pipeline.bases.prediction import V_MARKER, ZERO_SNR_MARKER
from pipeline.bases.weight_names import is_buffer, part_of
from pipeline.errors import UserError
from pipeline.files.finite import is_finite
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.files.tensor_file import Stored
from pipeline.files.tensor_writer import tensor_writer
from pipeline.merging.tree import Node

PIECE_NUMBERS = 1 << 18
"""Numbers merged at once: few enough for a processor's cache."""
LARGE_TENSOR = 1 << 22
"""Tensors above this are merged one at a time if a method needs them whole."""
WORKERS = 2
MARKERS = (V_MARKER, ZERO_SNR_MARKER)


def result_shapes(
    node: Node, dtype: str, drop: Sequence[str]
) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    """Type and shape of each tensor of the file."""
    dropped = {"other" if kind == "schedule" else kind for kind in drop}
    return {
        name: (result_type(name, stored, dtype), stored.shape)
        for name, stored in sorted(node.tensors.items())
        if part_of(name) not in dropped or name in MARKERS
    }


def result_type(name: str, stored: Stored, dtype: str) -> torch.dtype:
    """The type of a tensor in the result. With `source`, and of what is no weight, its own."""
    if name.endswith("position_ids"):
        return torch.int64
    is_weight = stored.dtype.is_floating_point and not is_buffer(name) and part_of(name) != "other"
    keeps = dtype == "source" or not is_weight
    return stored.dtype if keeps else PRECISIONS[dtype]


def stream(node: Node, path: Path, dtype: str, drop: Sequence[str], metadata: Mapping[str, str]) -> None:
    """Writes the merged checkpoint, completely or not at all. Raises UserError for a number that does not fit
    into `dtype`.
    """
    shapes = result_shapes(node, dtype, drop)
    with tensor_writer(path, shapes, metadata) as writer:
        fill(node, {name: dtype for name, (dtype, _) in shapes.items()}, writer)


class NumberWriter(Protocol):
    """Takes numbers by single-file name, from several threads."""

    def write(self, name: str, numbers: Tensor, start: int = 0) -> None: ...


def fill(node: Node, types: Mapping[str, torch.dtype], writer: NumberWriter) -> None:
    """Merges and writes each tensor that has a type, rounded to it."""
    large = Lock()
    pool = ThreadPoolExecutor(WORKERS, initializer=torch.set_num_threads, initargs=(1,))
    try:
        jobs = [pool.submit(_write, node, name, dtype, writer, large) for name, dtype in types.items()]
        for job in jobs:
            job.result()
    finally:
        pool.shutdown(cancel_futures=True)


@torch.no_grad()
def _write(node: Node, name: str, dtype: torch.dtype, writer: NumberWriter, large: Lock) -> None:
    stored, numel = node.unchanged(name), node.tensors[name].numel
    if name.endswith("position_ids"):
        # Other tools' merges blend or round these; 0, 1, 2 ... is correct.
        writer.write(name, torch.arange(numel))
    elif stored is not None and stored.dtype == dtype:
        for start in range(0, numel, PIECE_NUMBERS):
            writer.write(name, stored.read(start, min(start + PIECE_NUMBERS, numel)), start)
    elif node.in_pieces(name):
        for start in range(0, numel, PIECE_NUMBERS):
            numbers = node.numbers(name, start, min(start + PIECE_NUMBERS, numel))
            writer.write(name, _rounded(numbers, dtype, name), start)
    elif numel > LARGE_TENSOR:
        with large:
            writer.write(name, _rounded(node.numbers(name, 0, numel), dtype, name))
    else:
        writer.write(name, _rounded(node.numbers(name, 0, numel), dtype, name))


def _rounded(numbers: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    rounded = numbers.to(dtype)
    if not is_finite(rounded):
        raise UserError(
            f"{name}: the merged numbers do not fit into {dtype}"
            f" (up to {float(numbers.abs().max()):.3g}): lower the weights, or write dtype: fp32"
        )
    return rounded
