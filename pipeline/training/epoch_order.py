"""Which picture is shown when: repeats, class pictures, batches. Pure: the same seed gives the same order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from random import Random

from pipeline.errors import UserError
from pipeline.schemas import PriorForm

Bucket = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class EpochPicture:
    """The facts about an encoded picture that the order depends on."""

    repeats: int
    is_class: bool
    bucket: Bucket
    """All pictures of a batch have the same."""


def epoch_indices(pictures: Sequence[EpochPicture], form: PriorForm = "sd_scripts") -> list[int]:
    """Each training picture `repeats` times, then as many class pictures.

    Shows class pictures as often as sd-scripts (library/train_util.py, DreamBoothDataset), but none twice
    before all were shown once; of too many it picks an even spread, not the first ones. `two_means` counts
    within each bucket; a bucket with training pictures but no class pictures is a user error.
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
            " but a batch holds one size; crop to the size of class_images.resolution (use.crop: focal), add"
            " class pictures of that size to collect.class_source, or set train.prior_form to sd_scripts"
        )
    return training + [index for bucket in subject for index in _fill(prior[bucket], len(subject[bucket]))]


def _fill(regular: Sequence[int], count: int) -> list[int]:
    """`count` of them: the whole set as often as it fits, then an even spread for the rest."""
    rounds, rest = divmod(count, len(regular)) if regular else (0, 0)
    return [*regular] * rounds + [regular[n * len(regular) // rest] for n in range(rest)]


def _by_bucket(pictures: Sequence[EpochPicture], indices: Sequence[int]) -> dict[Bucket, list[int]]:
    buckets: dict[Bucket, list[int]] = {}
    for index in indices:
        buckets.setdefault(pictures[index].bucket, []).append(index)
    return buckets


def epoch_batches(
    pictures: Sequence[EpochPicture], batch: int, seed: int, epoch: int, form: PriorForm = "sd_scripts"
) -> list[list[int]]:
    """The epoch's shuffled batches, each from one bucket; a bucket's last batch may be smaller. With
    `two_means` half of each batch is class pictures, so `batch`, which counts both, must be even.
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


def _batches(_: Sequence[EpochPicture], chosen: Sequence[int], batch: int) -> list[list[int]]:
    return [[*chosen[start : start + batch]] for start in range(0, len(chosen), batch)]


def _batches_of_both(pictures: Sequence[EpochPicture], chosen: Sequence[int], batch: int) -> list[list[int]]:
    """Batches of half training, half class pictures."""
    halves = ([index for index in chosen if pictures[index].is_class is kind] for kind in (False, True))
    subject, prior = (_batches(pictures, half, batch // 2) for half in halves)
    return [[*one, *other] for one, other in zip(subject, prior, strict=True)]


def steps_per_epoch(pictures: Sequence[EpochPicture], batch: int, form: PriorForm = "sd_scripts") -> int:
    """Batches of an epoch, rounded up by bucket (sd-scripts, library/train_util.py, make_buckets)."""
    counts = Counter(pictures[index].bucket for index in epoch_indices(pictures, form))
    return sum(-(-count // batch) for count in counts.values())
