"""What a single file has besides the parts' weights, and which of its tensors are still as stored."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from pipeline.bases.origins import Origins, put
from pipeline.bases.prediction import markers_of
from pipeline.bases.weight_names import part_of
from pipeline.files.tensor_file import Stored

NOT_CARRIED = ("ema", "optimizer")
"""Parts of a file that a change of its weights makes wrong."""


def passengers(
    stored: Mapping[str, Stored], own: Iterable[str], scheduler: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Tensors of a base's files that no part uses (logit_scale, position ids, the last layer of SD 2's text
    encoder ...), and the markers of what it predicts. `own`: names of the parts' tensors.
    """
    known = set(own)
    others = {
        name: whole(tensor)
        for name, tensor in stored.items()
        if name not in known and part_of(name) not in NOT_CARRIED
    }
    return marked(others, scheduler)


def marked(tensors: Mapping[str, Tensor], scheduler: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors with exactly the markers of a base with this scheduler."""
    missing, wrong = markers_of(scheduler, tensors)
    kept = {name: tensor for name, tensor in tensors.items() if name not in wrong}
    return kept | {name: torch.zeros(0) for name in missing}


def whole(stored: Stored) -> Tensor:
    """The tensor as it is stored."""
    return stored.read().reshape(stored.shape)


def as_stored(
    name: str, stored: Stored | None, origins: Origins, tensors: Mapping[str, Tensor]
) -> Tensor | None:
    """The stored tensor if a module's tensors still have its numbers, in their own precision; else None.

    origins: of the module's tensors that the file's tensor `name` holds.
    """
    if stored is None:
        return None
    ours = put(origins, {key: tensor.detach().cpu() for key, tensor in tensors.items()})[name]
    read = whole(stored)
    return read if torch.equal(read.to(ours.dtype).reshape(ours.shape), ours) else None
