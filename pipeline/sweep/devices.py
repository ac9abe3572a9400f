"""Assigns a GPU and threads to each job, by the machine's resources and the other jobs."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.files.locks import locked_now


def gpus() -> list[str]:
    """Numbers of the GPUs that we may use (`CUDA_VISIBLE_DEVICES`)."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [each for each in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if each.strip()]
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))


@contextmanager
def gpu(home: Path) -> Iterator[dict[str, str]]:
    """Environment that shows the job one free GPU. With at most one GPU, or none free, nothing is hidden;
    Slurm and Ray assign GPUs themselves and show one.
    """
    with ExitStack() as held:
        numbers = gpus()
        for number in numbers if len(numbers) > 1 else ():
            name = f"gpu-{os.uname().nodename}-{number}"
            if held.enter_context(locked_now(home / "locks" / name)):
                yield {"CUDA_VISIBLE_DEVICES": number}
                return
        yield {}


def threads(at_once: int) -> int:
    """Threads for each of `at_once` jobs on this machine."""
    return max(1, len(os.sched_getaffinity(0)) // max(1, at_once))
