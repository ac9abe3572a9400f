"""What a run will do, before it does it: showings, batches, updates, exposures. Pure arithmetic."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.config.schemas import PriorForm
from pipeline.training.epoch_order import Shown, epoch_indices


@dataclass(frozen=True)
class BucketPlan:
    """Batches of one shape; `last` pictures are in the last one, the others are full."""

    width_px: int
    height_px: int
    showings: int
    batches: int
    last: int


@dataclass(frozen=True)
class ConceptPlan:
    """How often a concept's pictures are seen."""

    name: str
    is_class: bool
    pictures: int
    per_epoch: int
    in_all: int


@dataclass(frozen=True)
class Plan:
    """A run's numbers. A batch is what all devices together see in one step; an update takes
    `accumulation` of them.
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
        """What is left of an epoch's batches makes a last, smaller update."""
        return -(-self.batches_per_epoch // self.accumulation)

    @property
    def batches(self) -> int:
        return self.epochs * self.batches_per_epoch

    @property
    def updates(self) -> int:
        return self.epochs * self.updates_per_epoch

    def updates_after(self, batches: int) -> int:
        """An epoch's last update may be smaller; the next epoch begins a new one."""
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
        """plan.json: the fields, and what follows from them."""
        derived = ("batches_per_epoch", "updates_per_epoch", "updates", "updates_by_formula")
        return {**asdict(self), **{name: getattr(self, name) for name in derived}}


def make_plan(
    pictures: Sequence[tuple[str, Shown]],
    *,
    held_out: int,
    epochs: int,
    batch: int,
    accumulation: int,
    form: PriorForm = "sd_scripts",
) -> Plan:
    """`pictures`: concept and showing of each that is trained on; `batch`: of all devices together."""
    shown = [each for _, each in pictures]
    indices = epoch_indices(shown, form)
    by_bucket = Counter(shown[index].bucket for index in indices)
    per_concept = Counter((pictures[index][0], shown[index].is_class) for index in indices)
    members = Counter((concept, each.is_class) for concept, each in pictures)
    return Plan(
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
