from collections.abc import Sequence

import pytest

from pipeline.training.epoch_order import EpochPicture, epoch_batches
from pipeline.training.planning.forecast import TrainPlan, make_plan

SQUARE, TALL, WIDE = (512, 512), (448, 576), (576, 448)


def set_of(
    number: int, repeats: int, bucket: tuple[int, int] = SQUARE, name: str = "a"
) -> list[tuple[str, EpochPicture]]:
    return [(name, EpochPicture(repeats, False, bucket))] * number


def classes(number: int, bucket: tuple[int, int] = SQUARE) -> list[tuple[str, EpochPicture]]:
    return [("class", EpochPicture(1, True, bucket))] * number


def plan(
    pictures: Sequence[tuple[str, EpochPicture]], epochs: int = 10, batch: int = 1, accumulation: int = 1
) -> TrainPlan:
    return make_plan(pictures, held_out=0, epochs=epochs, batch=batch, accumulation=accumulation)


# Pictures, epochs, batch, accumulation; batches an epoch, updates in all, by the formula: worked out by hand.
BY_HAND = [
    (set_of(20, 7), 10, 1, 1, 140, 1400, 1400),
    (set_of(50, 5), 10, 2, 1, 125, 1250, 1250),
    (set_of(24, 7), 15, 4, 1, 42, 630, 630),
    (set_of(10, 10) + classes(100), 10, 2, 1, 100, 1000, 1000),
    # 30 class pictures go round again to reach 100 showings.
    (set_of(10, 10) + classes(30), 10, 2, 1, 100, 1000, 1000),
    # 5, 3 and 1 pictures of three shapes: 3 + 2 + 1 batches of 2, where nine pictures would make 4.5.
    (set_of(5, 1) + set_of(3, 1, TALL) + set_of(1, 1, WIDE), 4, 2, 1, 6, 24, 18),
    # 7 + 7 showings of two shapes, and 14 of the class, all square: batches of 4 make 6 of 21 and 2 of 7.
    (set_of(7, 1) + set_of(7, 1, TALL) + classes(5), 1, 4, 1, 8, 8, 7),
    # 10 batches an epoch, three to an update: 4 updates, the last of one batch.
    (set_of(10, 1), 6, 1, 3, 10, 24, 20),
    (set_of(3, 3, name="a") + set_of(2, 4, name="b"), 2, 4, 2, 5, 6, 4.25),
    (set_of(1, 1), 1, 8, 4, 1, 1, 1 / 32),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pictures", "epochs", "batch", "accumulation", "batches", "updates", "formula"), BY_HAND
)
def test_batches_and_updates_by_hand(
    pictures: list[tuple[str, EpochPicture]],
    epochs: int,
    batch: int,
    accumulation: int,
    batches: int,
    updates: int,
    formula: float,
) -> None:
    made = plan(pictures, epochs, batch, accumulation)
    assert (made.batches_per_epoch, made.updates) == (batches, updates)
    assert made.updates_by_formula == pytest.approx(formula)
    assert made.batches_per_epoch == len(epoch_batches([shown for _, shown in pictures], batch, 0, 0))


def test_exposures_by_concept_and_the_last_batch_of_each_shape() -> None:
    made = plan([*set_of(3, 3, name="a"), *set_of(2, 4, TALL, "b"), *classes(4)], epochs=5, batch=4)
    seen = {concept.name: (concept.pictures, concept.per_epoch, concept.in_all) for concept in made.concepts}
    assert seen == {"a": (3, 9, 45), "b": (2, 8, 40), "class": (4, 17, 85)}
    assert [concept.name for concept in made.concepts] == ["a", "b", "class"]
    shapes = {
        (each.width_px, each.height_px): (each.showings, each.batches, each.last) for each in made.buckets
    }
    assert shapes == {TALL: (8, 2, 4), SQUARE: (26, 7, 2)}
