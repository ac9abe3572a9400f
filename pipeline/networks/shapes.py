"""Checks the shapes of an adapter's tensors before anything is computed from them: a stranger's file may hold
a matrix of rank 0, or a number instead of a matrix.
"""

from collections.abc import Mapping
from math import prod
from pathlib import Path

from torch import Tensor

from pipeline.errors import UserError
from pipeline.files.tensor_file import Stored

ONE_NUMBER = ("alpha", "scalar")
FEWEST_AXES = {
    "lora_down.weight": 2, "lora_up.weight": 2, "lora_mid.weight": 3,
    "hada_w1_a": 2, "hada_w1_b": 2, "hada_w2_a": 2, "hada_w2_b": 2, "hada_t1": 3, "hada_t2": 3,
    "lokr_w1": 2, "lokr_w1_a": 2, "lokr_w1_b": 2, "lokr_w2": 2, "lokr_w2_a": 2, "lokr_w2_b": 2, "lokr_t2": 3,
    "oft_blocks": 2, "a1.weight": 2, "a2.weight": 2, "b1.weight": 2, "b2.weight": 2,
}  # fmt: skip
"""The fewest axes by leaf."""


def insist_on_shapes(weights: Mapping[str, Tensor] | Mapping[str, Stored], path: Path) -> None:
    """Raises UserError for a file, by sd-scripts' keys, with empty tensors, with matrices of too few axes, or
    with alphas of several numbers.
    """
    faults = {name: fault for name, each in weights.items() if (fault := _fault(name, tuple(each.shape)))}
    if faults:
        first = min(faults)
        raise UserError(
            f"{path}: {len(faults)} of its tensors have a shape that no adapter has: {first[:150]} has the"
            f" shape {list(weights[first].shape)}, and {faults[first]}; the file is damaged: fetch it again"
        )


def _fault(name: str, shape: tuple[int, ...]) -> str | None:
    leaf = name.partition(".")[2]
    if leaf in ONE_NUMBER and prod(shape) != 1:
        return "must be one number"
    if not prod(shape):
        return "holds no numbers (a rank of 0)"
    if len(shape) < FEWEST_AXES.get(leaf, 0):
        return f"must have at least {FEWEST_AXES[leaf]} axes"
    return None
