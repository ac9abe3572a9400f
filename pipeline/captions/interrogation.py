"""Shows pictures to a tagger or a captioner: decoded in parallel, a few at a time, memory bounded."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.captions.labels import Label
from pipeline.parallel import in_order

BATCHES = 4
"""So many batches are in memory at most: one in the network, the others being decoded."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class About:
    """What a network is: its layout, what is done to pictures before, its side, and its labels in order."""

    layout: str
    preprocessing: str
    side_px: int
    labels: tuple[Label, ...] = ()
    gives_logits: bool = False
    """The sigmoid is left to the caller."""


class Interrogator(Protocol):
    """A tagger or a captioner; its methods may be called from several threads."""

    about: About
    together: int
    """Pictures that one call takes. On a CPU 1: then no answer depends on the pictures beside it."""

    def prepare(self, picture: Image.Image) -> NDArray[np.float32]:
        """The network's input for one RGB picture."""

    def answers(self, x: NDArray[np.float32]) -> Sequence[Any] | NDArray[np.float32]:
        """For each of [n, ...] an answer: a tagger's [labels] probabilities, a captioner's sentence."""


def interrogate(
    model: Interrogator,
    things: Iterable[T],
    read: Callable[[T], Image.Image],
    use: Callable[[T, Any], R],
    batch: int,
) -> Iterator[R]:
    """`use(thing, answer)` of each thing, in their order.

    Each thread reads, asks and uses: what `use` puts away is there as soon as it is known. A model that takes
    one picture a call gets at most `batch` of them side by side; one that takes more gets a call after the
    other, with BATCHES of them being read or used.
    """

    def one(some: Sequence[T]) -> list[R]:
        x = np.stack([model.prepare(read(thing)) for thing in some])
        return [use(thing, answer) for thing, answer in zip(some, model.answers(x), strict=True)]

    step = model.together
    threads = min(batch if step == 1 else BATCHES, os.cpu_count() or 1)
    rest = iter(things)
    batches = iter(lambda: list(islice(rest, step)), [])
    for used in in_order(one, batches, threads):
        yield from used
