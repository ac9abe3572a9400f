"""How far the work is, with and without a terminal."""

import sys
import time

import pytest

from pipeline import progress as module
from pipeline.progress import ProgressLines, duration, progress


def test_without_a_terminal_a_line_every_so_often(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step takes ten seconds: every sixth says something."""
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    assert list(progress(list(range(20)), "crop")) == list(range(20))
    assert capsys.readouterr().err.splitlines() == [
        "crop: 6 of 20, about 2 min left",  # 14 x 10 s
        "crop: 12 of 20, about 80 s left",
        "crop: 18 of 20, about 20 s left",
    ]


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress(iter("abc"), "tag")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_work_of_unknown_length_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "LINE_EVERY_S", 0.0)
    lines = ProgressLines("scan", None)
    lines.step()
    assert capsys.readouterr().err == "scan: 1\n"


def test_on_a_terminal_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(progress([1, 2], "crop")) == [1, 2]
    assert "crop" in capsys.readouterr().err


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (200, "3 min"), (12_600, "3.5 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
