"""The numbers of a planned run: showings, batches, updates, exposures. Pure arithmetic."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.schemas import PriorForm
from pipeline.training.epoch_order import EpochPicture, epoch_indices


@dataclass(frozen=True)
class BucketPlan:
    """Batches of one shape. The last one has `last` pictures, the others are full."""

    width_px: int
    height_px: int
    showings: int
    batches: int
    last: int


@dataclass(frozen=True)
class ConceptPlan:
    """How often a concept's pictures are shown."""

    name: str
    is_class: bool
    pictures: int
    per_epoch: int
    in_all: int


@dataclass(frozen=True)
class TrainPlan:
    """A run's numbers. A batch is what all devices together see in one step; an update uses `accumulation`
    batches.
    """

    pictures: int
    class_pictures: int
    held_out: int
    showings: int
    class_showings: int
    batch: int
    accumulation: int
    epochs: int
    buckets: tuple[BucketPlan, ...]
    concepts: tuple[ConceptPlan, ...]

    @property
    def batches_per_epoch(self) -> int:
        return sum(bucket.batches for bucket in self.buckets)

    @property
    def updates_per_epoch(self) -> int:
        """The last update of an epoch takes the batches that are left, and may be smaller."""
        return -(-self.batches_per_epoch // self.accumulation)

    @property
    def batches(self) -> int:
        return self.epochs * self.batches_per_epoch

    @property
    def updates(self) -> int:
        return self.epochs * self.updates_per_epoch

    def updates_after(self, batches: int) -> int:
        """Updates done or begun after so many batches; every epoch begins a new update."""
        epochs, begun = divmod(batches, self.batches_per_epoch)
        return epochs * self.updates_per_epoch + -(-begun // self.accumulation)

    @property
    def updates_by_formula(self) -> float:
        """The usual formula: epochs x sum(repeats x pictures) x 2 with class pictures / batch / accumulation.
        Buckets and epochs that do not divide evenly make the true number larger.
        """
        factor = 2 if self.class_pictures else 1
        return self.epochs * self.showings * factor / self.batch / self.accumulation

    def as_dict(self) -> dict[str, Any]:
        """plan.json: the fields and the derived numbers."""
        derived = ("batches_per_epoch", "updates_per_epoch", "updates", "updates_by_formula")
        return {**asdict(self), **{name: getattr(self, name) for name in derived}}


def make_plan(
    pictures: Sequence[tuple[str, EpochPicture]],
    *,
    held_out: int,
    epochs: int,
    batch: int,
    accumulation: int,
    form: PriorForm = "sd_scripts",
) -> TrainPlan:
    """`pictures`: the concept and showing of each training picture; `batch`: of all devices together."""
    shown = [each for _, each in pictures]
    indices = epoch_indices(shown, form)
    by_bucket = Counter(shown[index].bucket for index in indices)
    per_concept = Counter((pictures[index][0], shown[index].is_class) for index in indices)
    members = Counter((concept, each.is_class) for concept, each in pictures)
    return TrainPlan(
        pictures=sum(not each.is_class for each in shown),
        class_pictures=sum(each.is_class for each in shown),
        held_out=held_out,
        showings=sum(not shown[index].is_class for index in indices),
        class_showings=sum(shown[index].is_class for index in indices),
        batch=batch,
        accumulation=accumulation,
        epochs=epochs,
        buckets=tuple(
            BucketPlan(width, height, count, -(-count // batch), (count - 1) % batch + 1)
            for (width, height), count in sorted(by_bucket.items())
        ),
        concepts=tuple(
            ConceptPlan(
                name, is_class, number, per_concept[name, is_class], per_concept[name, is_class] * epochs
            )
            for (name, is_class), number in sorted(members.items(), key=lambda item: (item[0][1], item[0][0]))
        ),
    )
