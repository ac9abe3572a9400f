"""Where a part's tensors are in a single file, and in which form.

One description serves both directions: `get` makes a module's tensor from the file's, `put` the file's from
the module's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

import torch
from torch import Tensor


class TensorForm(Enum):
    """The form of a tensor in the file."""

    SAME = "same"
    CONVOLUTION = "convolution"
    """A linear layer's weight, with two more axes of 1."""
    TRANSPOSED = "transposed"
    SWAPPED = "swapped"
    """The two halves of the first axis exchanged."""


@dataclass(frozen=True)
class Origin:
    """The file's tensor `key`, or piece `piece` of its `pieces` equal pieces along the first axis."""

    key: str
    piece: int = 0
    pieces: int = 1
    form: TensorForm = TensorForm.SAME

    def at(self, key: str) -> "Origin":
        """The same under another name."""
        return replace(self, key=key)


@dataclass(frozen=True)
class Held:
    """What a file's tensor holds of a part: its tensor `name`, as piece `piece` of `pieces` equal ones."""

    name: str
    piece: int = 0
    pieces: int = 1


Origins = Mapping[str, Origin]
"""By the tensors' names in the module."""


def get(origin: Origin, stored: Tensor, shape: Iterable[int]) -> Tensor:
    """A module's tensor of this shape from the file's tensor.

    Raises:
        RuntimeError: the file's tensor has another number of values.
    """
    own = stored.chunk(origin.pieces)[origin.piece] if origin.pieces > 1 else stored
    if origin.form is TensorForm.TRANSPOSED:
        own = own.T
    elif origin.form is TensorForm.SWAPPED:
        own = own.roll(len(own) // 2, 0)
    return own.reshape(*shape)


def put(origins: Origins, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The file's tensors by their keys, from the module's tensors by theirs."""
    by_key: dict[str, dict[int, Tensor]] = {}
    for name, tensor in tensors.items():
        origin = origins[name]
        by_key.setdefault(origin.key, {})[origin.piece] = _formed(origin.form, tensor)
    return {
        key: torch.cat([pieces[number] for number in sorted(pieces)]) if len(pieces) > 1 else pieces[0]
        for key, pieces in by_key.items()
    }


def _formed(form: TensorForm, tensor: Tensor) -> Tensor:
    if form is TensorForm.CONVOLUTION and tensor.dim() == 2:
        return tensor[:, :, None, None]
    if form is TensorForm.TRANSPOSED:
        return tensor.T.contiguous()
    return tensor.roll(len(tensor) // 2, 0) if form is TensorForm.SWAPPED else tensor


def file_shape(origin: Origin, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the file's tensor, from the shape of the module's."""
    if origin.form is TensorForm.TRANSPOSED:
        return shape[::-1]
    if origin.form is TensorForm.CONVOLUTION and len(shape) == 2:
        return (*shape, 1, 1)
    return (shape[0] * origin.pieces, *shape[1:]) if origin.pieces > 1 else shape
