"""What training, sample-grid and merge need of anything that can be trained, whatever its family."""

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
    """A file that is written beside the main one: its tensors, and the header entries in which it differs."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


class Trainable(Protocol):
    """A trainable or trained thing. Implementations are `nn.Module`s, so that their weights move and
    learn.
    """

    @classmethod
    def create(cls, config: Any, base: Base, seed: int) -> Self:
        """A fresh one by its family's own schema; the seed alone decides its start."""
        ...

    @classmethod
    def load(cls, path: Path, base: Base) -> Self:
        """From a file; one that is damaged or belongs to another base is a user error."""
        ...

    def attached(self, base: Base) -> AbstractContextManager[None]:
        """Inside, the base acts with it; outside as before."""
        ...

    def part_parameters(self, part: Part) -> list[nn.Parameter]:
        """What learns at the rate of a part of the base."""
        ...

    def set_weight(self, weight: float) -> None:
        """The strength at which it acts; 1 in training."""
        ...

    def file_tensors(self, precision: str) -> dict[str, Tensor]:
        """What its file holds, in `fp16`, `bf16` or `fp32`."""
        ...

    def metadata(self) -> dict[str, str]:
        """The family's own header entries (ss_network_module, ss_network_dim ...)."""
        ...

    def companion_files(self, precision: str) -> Mapping[str, CompanionFile]:  # noqa: ARG002
        """Further files by the end of their names: `-rank4` is written to `<name>-rank4.safetensors`."""
        return {}

    def write_other_layouts(self, stem: Path, step: int) -> None:
        """Writes `<stem>.<suffix>` for tools that do not open .safetensors; `step`: of the training."""

    def before_step(self, seed: int) -> None:
        """Called before each training step; what the step leaves to chance follows from `seed` alone."""

    def after_step(self) -> None:
        """Called after each update of the weights."""

    def num_modules(self) -> int:
        """How many places of the base it changes."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def to(self, device: torch.device) -> Self: ...


def set_lr_factor(parameter: nn.Parameter, factor: float) -> None:
    """This parameter learns at `factor` times the rate of its part."""
    parameter.rate_factor = factor  # type: ignore[attr-defined]


def by_lr_factor(parameters: Iterable[nn.Parameter]) -> dict[float, list[nn.Parameter]]:
    """Parameters by the factor on their part's rate: 1 where none was set."""
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(getattr(parameter, "rate_factor", 1.0), []).append(parameter)
    return groups
