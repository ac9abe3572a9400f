"""Runs a tagger or a captioner over pictures: parallel decoding, bounded memory."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.captions.labels import Label
from pipeline.parallel import in_order

BATCHES = 4
"""Most batches in memory: one in the network, the others being decoded."""

_T = TypeVar("_T")
R = TypeVar("R")


@dataclass(frozen=True)
class About:
    """A network's layout, preprocessing, input side, and labels in order."""

    layout: str
    preprocessing: str
    side_px: int
    labels: tuple[Label, ...] = ()
    gives_logits: bool = False
    """The caller applies the sigmoid."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Least score by category, as the tagger's files or its author state it."""


class Interrogator(Protocol):
    """A tagger or a captioner; its methods may be called from several threads."""

    about: About
    together: int
    """Pictures per call; 1 on a CPU, so that no answer depends on the other pictures of a batch."""

    def prepare(self, picture: Image.Image) -> Any:
        """The network's input for one RGB picture."""

    def stack(self, prepared: Sequence[Any]) -> Any:
        """Prepared pictures as one input."""

    def answers(self, x: Any) -> Sequence[Any] | NDArray[np.float32]:
        """One answer for each picture of a stack: a tagger's [labels] probabilities, a captioner's text."""


def stacked(prepared: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """[n, ...] of arrays of one shape."""
    return np.stack(prepared)


def interrogate(
    model: Interrogator,
    things: Iterable[_T],
    read: Callable[[_T], Image.Image],
    use: Callable[[_T, Any], R],
    batch: int,
) -> Iterator[R]:
    """`use(thing, answer)` of each thing, in their order.

    Each thread reads, asks and calls `use`, so results are stored at once. A model that takes one picture a
    call gets at most `batch` calls in parallel; one that takes more gets one call at a time, while BATCHES
    batches are read or used.
    """

    def one(some: Sequence[_T]) -> list[R]:
        x = model.stack([model.prepare(read(thing)) for thing in some])
        return [use(thing, answer) for thing, answer in zip(some, model.answers(x), strict=True)]

    step = model.together
    threads = min(batch if step == 1 else BATCHES, os.cpu_count() or 1)
    rest = iter(things)
    batches = iter(lambda: list(islice(rest, step)), [])
    for used in in_order(one, batches, threads):
        yield from used
