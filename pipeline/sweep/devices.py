"""Assigns a GPU and threads to each job, by the machine's resources and the other jobs."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from platform import node

from pipeline.files.locks import locked_now

_DEVICES = Path("/dev")
_MOST_JOBS = 64
"""On one GPU."""


def gpus() -> list[str]:
    """Numbers of the GPUs that we may use (`CUDA_VISIBLE_DEVICES`)."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [each for each in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if each.strip()]
    return sorted((path.name.removeprefix("nvidia") for path in _DEVICES.glob("nvidia[0-9]*")), key=int)


@contextmanager
def gpu(home: Path) -> Iterator[dict[str, str]]:
    """Environment that shows the job one GPU: a free one, else the one with the fewest jobs. With at most one
    GPU nothing is hidden; Slurm and Ray assign GPUs themselves and show one.
    """
    numbers = gpus()
    with ExitStack() as held:
        for place, number in product(range(_MOST_JOBS), numbers if len(numbers) > 1 else ()):
            name = f"gpu-{node()}-{number}" + (f"-{place}" if place else "")
            if held.enter_context(locked_now(home / "locks" / name)):
                yield {"CUDA_VISIBLE_DEVICES": number}
                return
        yield {}


def threads(at_once: int) -> int:
    """Threads for each of `at_once` jobs on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // max(1, at_once))
