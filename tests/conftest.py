"""Fixtures that many tests share: a store of their own, the demo's base, real photographs."""

import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import compose
from pipeline.files.hashing import sha256_of_tree

pytest_plugins = ["tests.processor_time", "tests.typed"]
ROOT = Path(__file__).parent.parent
# Two workers, each with a thread for every core, would wait for each other: many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# As in the graph: a stage reads params.resolved.yaml. Tests of runs by hand take it away.
os.environ.setdefault("DVC_STAGE", "tests")


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results kept by content must not leak between tests, or into the project."""
    monkeypatch.setenv("ATHANOR_STORE", str(tmp_path / "store"))


@pytest.fixture(autouse=True, scope="session")
def _each_composition_once() -> Iterator[None]:
    """Hydra takes a third of a second for each: the same options of the same conf/ are composed once."""
    known: dict[tuple[str | None, ...], dict[str, Any]] = {}
    compose_anew = compose._hydra

    def composed(use: dict[str, str]) -> dict[str, Any]:
        key = (sha256_of_tree(compose.CONF), *(f"{group}={use[group]}" for group in sorted(use)))
        if key not in known:
            known[key] = compose_anew(use)
        return deepcopy(known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "_hydra", composed)
        yield


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's root, as the working folder."""
    monkeypatch.chdir(ROOT)
    return ROOT


@pytest.fixture
def environment() -> dict[str, str]:
    """For commands run as a user would, without a network."""
    return {**os.environ, "HF_HUB_OFFLINE": "1"}
