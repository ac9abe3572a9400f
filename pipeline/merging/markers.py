"""What a merge's result predicts, and the empty tensors that say so to other tools."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pipeline.bases.look import SCHEDULER, recognise, scheduler_in
from pipeline.bases.prediction import (
    V_MARKER,
    ZERO_SNR_MARKER,
    Prediction,
    V,
    learned_zero_snr,
    markers_of,
    of_scheduler,
    scheduler_of,
)
from pipeline.files.tensor_file import Stored, TensorFile
from pipeline.merging.checkpoint import CheckpointFile
from pipeline.merging.tree import Node
from pipeline.schemas.recipe import Recipe


@dataclass(frozen=True)
class Marked:
    """A model with other markers."""

    model: Node
    tensors: Mapping[str, Stored]

    @property
    def label(self) -> str:
        return self.model.label

    @property
    def blocks(self) -> tuple[str, ...]:
        return self.model.blocks

    def unchanged(self, name: str) -> Stored | None:
        return self.model.unchanged(name) if name in self.model.tensors else self.tensors[name]

    def in_pieces(self, name: str) -> bool:
        return name not in self.model.tensors or self.model.in_pieces(name)

    def source(self, name: str) -> Hashable:
        return self.model.source(name) if name in self.model.tensors else name

    def numbers(self, name: str, start: int, stop: int) -> Tensor:
        if name in self.model.tensors:
            return self.model.numbers(name, start, stop)
        return self.tensors[name].read(start, stop).float()


def prediction_of_result(first: CheckpointFile, recipe: Recipe, networks: Iterable[TensorFile]) -> Prediction:
    """As the recipe says, else as the first checkpoint's files say. Networks that learned zero terminal SNR
    bring it along.
    """
    found = _stated(first)
    kind = recipe.prediction_type or found.type
    learned = kind == V and any(learned_zero_snr(each.metadata) for each in networks)
    return replace(found, type=kind, zero_terminal_snr=found.zero_terminal_snr or learned)


def _stated(first: CheckpointFile) -> Prediction:
    """As the checkpoint's files say."""
    if first.path.is_dir():
        scheduler = scheduler_in(first.path)
        return of_scheduler(scheduler, SCHEDULER) if scheduler else Prediction(None, "no scheduler")
    recognised = recognise(first.path)
    if recognised and recognised.prediction:
        return recognised.prediction
    zero = ZERO_SNR_MARKER in first.tensors  # a pickle has no header
    return Prediction(V if V_MARKER in first.tensors else None, "its tensors", zero)


def marked(node: Node, prediction: Prediction) -> Node:
    """The result with exactly its markers; unchanged if nothing states what it predicts."""
    if prediction.type is None:
        return node
    scheduler = scheduler_of({}, prediction.type, prediction.zero_terminal_snr)
    missing, wrong = markers_of(scheduler, node.tensors)
    if not missing and not wrong & node.tensors.keys():
        return node
    kept = {name: stored for name, stored in node.tensors.items() if name not in wrong}
    return Marked(node, kept | {name: Stored.of(torch.zeros(0)) for name in missing})
