"""Which picture is shown when: repeats, class pictures, batches. Pure: the same seed gives the same order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from random import Random

from pipeline.config.schemas import PriorForm
from pipeline.errors import UserError

Bucket = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Shown:
    """What the order needs to know of an encoded picture."""

    repeats: int
    is_class: bool
    bucket: Bucket
    """A batch holds one size."""


def epoch_indices(pictures: Sequence[Shown], form: PriorForm = "sd_scripts") -> list[int]:
    """Each training picture as often as its repeats say, then class pictures up to the same number.

    The number of class showings is sd-scripts' (library/train_util.py, DreamBoothDataset); unlike there, no
    class picture is shown twice before all were shown once, and where they are too many those that are shown
    come from the whole set, not from its start. `two_means` counts within each bucket; one that has training
    pictures and no class pictures is a user error.
    """
    training = [
        index
        for index, picture in enumerate(pictures)
        if not picture.is_class
        for _ in range(picture.repeats)
    ]
    regular = [index for index, picture in enumerate(pictures) if picture.is_class]
    if form == "sd_scripts" or not regular:
        return training + _fill(regular, len(training))
    subject, prior = _by_bucket(pictures, training), _by_bucket(pictures, regular)
    if lacking := sorted(subject.keys() - prior.keys()):
        raise UserError(
            f"train.prior_form two_means: no class picture is {' or '.join(f'{w}x{h}' for w, h in lacking)},"
            " and a batch holds one size; crop to one size that class_images.resolution has too (use.crop:"
            " focal), put such class pictures into collect.class_source, or take sd_scripts"
        )
    return training + [index for bucket in subject for index in _fill(prior[bucket], len(subject[bucket]))]


def _fill(regular: Sequence[int], count: int) -> list[int]:
    """`count` of them: the set as often as it fits, and an even spread of it for what is left."""
    rounds, rest = divmod(count, len(regular)) if regular else (0, 0)
    return [*regular] * rounds + [regular[n * len(regular) // rest] for n in range(rest)]


def _by_bucket(pictures: Sequence[Shown], indices: Sequence[int]) -> dict[Bucket, list[int]]:
    found: dict[Bucket, list[int]] = {}
    for index in indices:
        found.setdefault(pictures[index].bucket, []).append(index)
    return found


def epoch_batches(
    pictures: Sequence[Shown], batch: int, seed: int, epoch: int, form: PriorForm = "sd_scripts"
) -> list[list[int]]:
    """The epoch's batches in a new order, each of one bucket; a bucket's last batch may be smaller. Those of
    `two_means` have as many class pictures as others; `batch`, both together, must be even then.
    """
    random = Random(f"{seed}/{epoch}")
    indices = epoch_indices(pictures, form)
    random.shuffle(indices)
    pairs = form == "two_means" and any(picture.is_class for picture in pictures)
    cut = _batches_of_both if pairs else _batches
    batches = list(
        chain.from_iterable(cut(pictures, chosen, batch) for chosen in _by_bucket(pictures, indices).values())
    )
    random.shuffle(batches)
    return batches


def _batches(_: Sequence[Shown], chosen: Sequence[int], batch: int) -> list[list[int]]:
    return [[*chosen[start : start + batch]] for start in range(0, len(chosen), batch)]


def _batches_of_both(pictures: Sequence[Shown], chosen: Sequence[int], batch: int) -> list[list[int]]:
    """Each half training pictures, half class pictures."""
    halves = ([index for index in chosen if pictures[index].is_class is kind] for kind in (False, True))
    subject, prior = (_batches(pictures, half, batch // 2) for half in halves)
    return [[*one, *other] for one, other in zip(subject, prior, strict=True)]


def steps_per_epoch(pictures: Sequence[Shown], batch: int, form: PriorForm = "sd_scripts") -> int:
    """Batches of an epoch: those of each bucket, rounded up (sd-scripts, library/train_util.py,
    make_buckets).
    """
    counts = Counter(pictures[index].bucket for index in epoch_indices(pictures, form))
    return sum(-(-count // batch) for count in counts.values())
