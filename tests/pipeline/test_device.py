"""What makes results on a card repeatable, and how much memory it has; a stand-in for a card."""

import os

import pytest
import torch

from pipeline.device import make_repeatable, memory_of


def test_cublas_gets_a_workspace_with_which_its_sums_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    make_repeatable()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # torch allows this one, too: less memory
    make_repeatable()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_memory_is_what_other_programs_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (7 * 2**30, 8 * 2**30))
    assert memory_of(torch.device("cuda")) == 7 * 2**30
    assert memory_of(torch.device("cpu")) is None
