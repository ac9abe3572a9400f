"""Writes a single file's tensors, piece by piece, as the parts of a diffusers folder have them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from threading import Lock

import torch
from torch import Tensor

from pipeline.bases.origins import Origin, TensorForm, file_shape, get
from pipeline.files.tensor_writer import TensorWriter

IN_ORDER = (TensorForm.SAME, TensorForm.CONVOLUTION)
"""Forms in which the folder has the numbers in the single file's order."""


@dataclass(frozen=True)
class Target:
    """A part's tensor `key`: where it is in the single file, and its shape in the part."""

    writer: TensorWriter
    key: str
    origin: Origin
    shape: tuple[int, ...]


class FolderWriter:
    """targets: by the single file's names. A tensor in another order is kept until it is whole; these are
    small.
    """

    def __init__(self, targets: Mapping[str, Sequence[Target]]) -> None:
        self.targets = targets
        self._waiting: dict[str, tuple[Tensor, int]] = {}
        self._lock = Lock()

    def write(self, name: str, numbers: Tensor, start: int = 0) -> None:
        """Numbers from `start` on of the flattened tensor; several threads may write."""
        flat = numbers.flatten()
        for target in self.targets[name]:
            if target.origin.form in IN_ORDER:
                _write_span(target, flat, start)
            elif (whole := self._collected(target, flat, start)) is not None:
                shaped = whole.reshape(file_shape(target.origin, target.shape))
                target.writer.write(target.key, get(target.origin, shaped, target.shape).contiguous())

    def _collected(self, target: Target, flat: Tensor, start: int) -> Tensor | None:
        """The whole tensor once all of its numbers are here."""
        numel = prod(file_shape(target.origin, target.shape))
        with self._lock:
            whole, done = self._waiting.get(target.key, (torch.empty(numel, dtype=flat.dtype), 0))
            whole[start : start + len(flat)] = flat
            self._waiting[target.key] = whole, done + len(flat)
            return self._waiting.pop(target.key)[0] if done + len(flat) == numel else None


def _write_span(target: Target, flat: Tensor, start: int) -> None:
    """Writes what of the numbers belongs to the target's piece."""
    numel = prod(target.shape)
    begin = target.origin.piece * numel
    low, high = max(start, begin), min(start + len(flat), begin + numel)
    if low < high:
        target.writer.write(target.key, flat[low - start : high - start], low - begin)
