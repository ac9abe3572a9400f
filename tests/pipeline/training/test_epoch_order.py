from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.training.epoch_order import EpochPicture, epoch_batches, epoch_indices, steps_per_epoch

SQUARE = (512, 512)


def pictures(*repeats: int, classes: int = 0) -> list[EpochPicture]:
    return [EpochPicture(n, False, SQUARE) for n in repeats] + [EpochPicture(1, True, SQUARE)] * classes


@pytest.mark.parametrize(
    ("shown", "batch", "steps"),
    [
        (pictures(*[7] * 20), 1, 140),
        (pictures(*[7] * 24), 4, 42),
        (pictures(3, 2), 2, 3),
        (pictures(*[10] * 10, classes=100), 2, 100),
        (pictures(*[10] * 10, classes=3), 4, 50),
        (pictures(1, classes=50), 1, 2),
    ],
)
def test_steps_by_hand(shown: list[EpochPicture], batch: int, steps: int) -> None:
    assert steps_per_epoch(shown, batch) == steps


def test_class_pictures_fill_up_to_the_number_of_training_pictures() -> None:
    counts = Counter(epoch_indices(pictures(3, 2, classes=2)))
    assert counts == {0: 3, 1: 2, 2: 3, 3: 2}


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    st.integers(0, 4),
    st.integers(1, 5),
    st.integers(0, 9),
)
def test_every_showing_happens_once_in_an_order_of_the_seed(
    repeats: list[int], classes: int, batch: int, epoch: int
) -> None:
    shown = pictures(*repeats, classes=classes)
    batches = epoch_batches(shown, batch, 1, epoch)
    assert sorted(index for chosen in batches for index in chosen) == sorted(epoch_indices(shown))
    assert batches == epoch_batches(shown, batch, 1, epoch)
    assert len(batches) == steps_per_epoch(shown, batch)


def test_a_batch_holds_one_size_and_buckets_are_rounded_up_apart() -> None:
    sizes = [(512, 512)] * 5 + [(448, 576)] * 3 + [(576, 448)]
    shown = [EpochPicture(1, False, bucket) for bucket in sizes]
    batches = epoch_batches(shown, 2, 0, 0)
    assert all(len({sizes[index] for index in chosen}) == 1 for chosen in batches)
    assert len(batches) == steps_per_epoch(shown, 2) == 3 + 2 + 1
    assert sorted(index for chosen in batches for index in chosen) == list(range(9))


def test_epochs_and_seeds_differ() -> None:
    shown = pictures(*[1] * 20)
    assert epoch_batches(shown, 1, 0, 0) != epoch_batches(shown, 1, 0, 1) != epoch_batches(shown, 1, 1, 1)


def test_of_too_many_class_pictures_an_even_spread_is_shown() -> None:
    shown = pictures(2, 1, classes=9)
    assert epoch_indices(shown) == [0, 0, 1, 2, 5, 8]
    assert epoch_indices(shown, "two_means") == [0, 0, 1, 2, 5, 8]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from([(512, 512), (448, 576)])), min_size=1, max_size=6),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 9),
)
def test_two_means_has_both_halves_in_every_batch(
    own: list[tuple[int, tuple[int, int]]], classes: int, half: int, epoch: int
) -> None:
    shown = [EpochPicture(repeats, False, bucket) for repeats, bucket in own]
    shown += [EpochPicture(1, True, bucket) for bucket in ((512, 512), (448, 576)) for _ in range(classes)]
    batches = epoch_batches(shown, 2 * half, 1, epoch, "two_means")
    for batch in batches:
        assert len({shown[index].bucket for index in batch}) == 1
        assert 2 * sum(shown[index].is_class for index in batch) == len(batch) <= 2 * half
    assert len(batches) == steps_per_epoch(shown, 2 * half, "two_means")
    seen = Counter(index for batch in batches for index in batch)
    assert all(seen[index] == repeats for index, (repeats, _) in enumerate(own))
    assert sorted(seen.elements()) == sorted(epoch_indices(shown, "two_means"))


def test_two_means_wants_class_pictures_of_each_size() -> None:
    shown = [*pictures(1, classes=2), EpochPicture(1, False, (448, 576))]
    with pytest.raises(UserError, match=r"two_means: no class picture is 448x576"):
        steps_per_epoch(shown, 2, "two_means")


def test_without_class_pictures_the_forms_are_one() -> None:
    shown = pictures(3, 2)
    assert epoch_batches(shown, 2, 0, 0, "two_means") == epoch_batches(shown, 2, 0, 0)
