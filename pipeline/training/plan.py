"""Which picture is shown when: repeats, class pictures, batches. Pure: the same seed gives the same order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Shown:
    """What the order needs to know of an encoded picture."""

    repeats: int
    is_class: bool
    bucket: tuple[int, int]
    """Width and height in pixels: a batch holds one size."""


def epoch_indices(pictures: Sequence[Shown]) -> list[int]:
    """Each training picture as often as its repeats say, then class pictures up to the same number.

    The class rule is sd-scripts' (library/train_util.py, DreamBoothDataset): class pictures join in order
    until they are as many as the training pictures with their repeats; where they are too few, they go round
    again.
    """
    training = [
        index
        for index, picture in enumerate(pictures)
        if not picture.is_class
        for _ in range(picture.repeats)
    ]
    regular = [index for index, picture in enumerate(pictures) if picture.is_class]
    fill = [regular[n % len(regular)] for n in range(len(training))] if regular else []
    return training + fill


def epoch_batches(pictures: Sequence[Shown], batch: int, seed: int, epoch: int) -> list[list[int]]:
    """The epoch's batches in a new order, each of one bucket; a bucket's last batch may be smaller."""
    random = Random(f"{seed}/{epoch}")
    indices = epoch_indices(pictures)
    random.shuffle(indices)
    by_bucket: dict[tuple[int, int], list[int]] = {}
    for index in indices:
        by_bucket.setdefault(pictures[index].bucket, []).append(index)
    batches = [
        chosen[start : start + batch]
        for chosen in by_bucket.values()
        for start in range(0, len(chosen), batch)
    ]
    random.shuffle(batches)
    return batches


def steps_per_epoch(pictures: Sequence[Shown], batch: int) -> int:
    """Batches of an epoch: those of each bucket, rounded up (sd-scripts, library/train_util.py,
    make_buckets).
    """
    counts = Counter(pictures[index].bucket for index in epoch_indices(pictures))
    return sum(-(-count // batch) for count in counts.values())


def updates_per_epoch(pictures: Sequence[Shown], batch: int, gradient_accumulation: int) -> int:
    """Steps of the optimiser in an epoch; what is left of its batches makes a last one."""
    return -(-steps_per_epoch(pictures, batch) // gradient_accumulation)
