"""Jobs on several GPUs; files of /dev as stand-ins for cards."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.sweep import devices
from pipeline.sweep.devices import gpu, gpus


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve, and what else the driver puts there."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "_DEVICES", tmp_path)
    for name in (*map(str, range(12)), "ctl", "-uvm"):
        (tmp_path / f"nvidia{name}").touch()
    return tmp_path


@pytest.mark.usefixtures("cards")
def test_cards_are_numbered_in_their_order() -> None:
    assert gpus() == [str(number) for number in range(12)]


def test_each_job_gets_a_free_card_and_then_they_share_evenly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5,7")
    with ExitStack() as jobs:
        shown = [jobs.enter_context(gpu(tmp_path))["CUDA_VISIBLE_DEVICES"] for _ in range(7)]
        assert shown[:6] == ["2", "5", "7"] * 2
        assert Counter(shown) == {"2": 3, "5": 2, "7": 2}
    with gpu(tmp_path) as first, ExitStack() as second:
        other = second.enter_context(gpu(tmp_path))
        assert [first, other] == [{"CUDA_VISIBLE_DEVICES": "2"}, {"CUDA_VISIBLE_DEVICES": "5"}]
        second.close()  # its card is free again
        with gpu(tmp_path) as third:
            assert third == {"CUDA_VISIBLE_DEVICES": "5"}


@pytest.mark.parametrize("shown", ["", "3"])
def test_with_one_card_or_none_nothing_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    with gpu(tmp_path) as environment:
        assert environment == {}
