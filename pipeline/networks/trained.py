"""The interface of everything that can be trained; training, sample-grid and merge use only this."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from pipeline.bases.base import Base
from pipeline.bases.parts import Part


@dataclass(frozen=True)
class CompanionFile:
    """A companion file of the main one: its tensors, and the header entries that differ."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


class Trainable(Protocol):
    """A trainable or trained network. Implementations are `nn.Module`s, so that their weights can move and
    learn.
    """

    @classmethod
    def create(cls, config: Any, base: Base, seed: int) -> Self:
        """A new one from its family's own schema; the seed alone decides its start."""
        ...

    @classmethod
    def load(cls, path: Path, base: Base) -> Self:
        """From a file. Raises UserError if it is damaged or belongs to another base."""
        ...

    def attached(self, base: Base) -> AbstractContextManager[None]:
        """Inside, the base acts with it; outside, as before."""
        ...

    def part_parameters(self, part: Part) -> list[nn.Parameter]:
        """The parameters that learn at the lr of a part of the base."""
        ...

    def set_weight(self, weight: float) -> None:
        """Sets the weight at which it acts; 1 in training."""
        ...

    def file_tensors(self, precision: str) -> dict[str, Tensor]:
        """The tensors of its file, in `fp16`, `bf16` or `fp32`."""
        ...

    def metadata(self) -> dict[str, str]:
        """The family's own header entries (ss_network_module, ss_network_dim ...)."""
        ...

    def companion_files(self, precision: str) -> Mapping[str, CompanionFile]:  # noqa: ARG002
        """Companion files by the suffix of their names: `-rank4` is written to `<name>-rank4.safetensors`."""
        return {}

    def write_other_layouts(self, stem: Path, step: int) -> None:  # noqa: ARG002
        """Writes `<stem>.<suffix>` for tools that do not open .safetensors; `step`: of the training."""
        return

    def before_step(self, seed: int) -> None:  # noqa: ARG002
        """Called before each training step; random choices in the step depend on `seed` alone."""
        return

    def after_step(self) -> None:
        """Called after each update of the weights."""
        return

    def num_modules(self) -> int:
        """The number of places of the base that it changes."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def to(self, device: torch.device) -> Self: ...


def set_lr_factor(parameter: nn.Parameter, factor: float) -> None:
    """Lets this parameter learn at `factor` times the lr of its part."""
    parameter.rate_factor = factor  # type: ignore[attr-defined]


def by_lr_factor(parameters: Iterable[nn.Parameter]) -> dict[float, list[nn.Parameter]]:
    """Parameters by the factor on their part's lr: 1 if none was set."""
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(getattr(parameter, "rate_factor", 1.0), []).append(parameter)
    return groups
