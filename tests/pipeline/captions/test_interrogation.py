import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.captions.interrogation import BATCHES, About, interrogate, stacked


class Redness:
    """Answers with the mean of red, and counts the pictures that are in memory."""

    about = About("redness", "none", 4)
    stack = staticmethod(stacked)

    def __init__(self, together: int) -> None:
        self.together = together
        self.calls: list[int] = []

    def prepare(self, picture: Image.Image) -> NDArray[np.float32]:
        return np.asarray(picture, np.float32)

    def answers(self, x: NDArray[np.float32]) -> Sequence[Any]:
        self.calls.append(len(x))
        answers: Sequence[Any] = x[..., 0].mean((1, 2)).tolist()
        return answers


def red(number: int) -> Image.Image:
    return Image.new("RGB", (4, 4), (number, 0, 0))


@pytest.mark.parametrize("together", [1, 4])
@pytest.mark.parametrize("batch", [1, 8])
def test_answers_come_in_order_each_with_its_picture(together: int, batch: int) -> None:
    model = Redness(together)
    used = interrogate(model, range(10), red, lambda number, answer: (number, answer), batch)
    assert list(used) == [(number, float(number)) for number in range(10)]
    assert sorted(model.calls, reverse=True) == ([1] * 10 if together == 1 else [4, 4, 2])


def test_what_was_answered_before_a_fault_has_been_used() -> None:
    done: list[int] = []

    def read(number: int) -> Image.Image:
        if number == 3:
            raise ValueError("damaged")
        return red(number)

    with pytest.raises(ValueError, match="damaged"):
        list(interrogate(Redness(1), range(10), read, lambda number, _: done.append(number), 1))
    assert done[:3] == [0, 1, 2]


@pytest.mark.parametrize(("together", "batch", "bound"), [(1, 2, 2), (2, 2, 2 * BATCHES)])
def test_the_pictures_in_memory_are_bounded(together: int, batch: int, bound: int) -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def read(number: int) -> Image.Image:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        return red(number)

    def use(_: int, __: Any) -> None:
        with lock:
            now[0] -= 1

    list(interrogate(Redness(together), range(100), read, use, batch))
    assert most[0] <= bound


def test_nothing_to_ask_is_no_fault() -> None:
    assert list(interrogate(Redness(4), [], red, lambda *pair: pair, 2)) == []
