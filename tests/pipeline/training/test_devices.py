from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.devices import device_rows


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(1, 5))
def test_the_mean_over_devices_is_the_batchs_mean(losses: list[float], devices: int) -> None:
    parts = [device_rows(len(losses), device, devices) for device in range(devices)]
    mean = fmean(fmean(losses[rows]) * factor for rows, factor in parts)
    assert mean == pytest.approx(fmean(losses))
    numbers = list(range(len(losses)))
    counted = sorted(row for rows, factor in parts if factor for row in numbers[rows])
    assert counted == list(range(len(losses)))


def test_one_device_takes_all_as_it_is() -> None:
    rows, factor = device_rows(3, 0, 1)
    assert ([*range(3)][rows], factor) == ([0, 1, 2], 1.0)
