"""A 2x2x2 sweep of the demo, two jobs at a time, relative to its parts run alone.

Allowed: (upstream + 8 x a job's own stages / 2) x 1.15 + 8 x 5 s, both measured alone with the number of
threads that a job of the sweep has. Then compares every network file of the sweep, byte by byte, with a lone
run's (`--alone N`: for N of the 8 jobs). Everything happens in separate repositories.
"""

import argparse
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path

from dvc.api import DVCFileSystem

from pipeline.typed_numbers import whole_number
from tests.house.repository import SHORT, Repository, make_repository

VALUES = {"network.dim": ("4", "8"), "network.alpha": ("2", "4"), "optimizer.lr": ("1.0e-3", "2.0e-3")}
AT_ONCE = 2
SHARED_ONCE = ("collect", "crop", "tag", "filter-tags", "encode")


def repository(folder: Path, epochs: int) -> Repository:
    made = make_repository(folder, small=False)
    made.set(train__epochs=epochs, train__save_every_epochs=epochs, train__batch=SHORT["train"]["batch"])
    made.run("git", "commit", "--all", "--message", "longer")
    threads = max(1, len(os.sched_getaffinity(0)) // AT_ONCE)
    made.environment["OMP_NUM_THREADS"] = str(threads)
    return made


def alone(made: Repository, combination: tuple[str, ...]) -> tuple[float, dict[str, bytes]]:
    """Seconds of a job's own stages, with the upstream stages done; and its network files."""
    for key, value in zip(VALUES, combination, strict=True):
        made.set(**{key.replace(".", "__"): float(value) if "." in value else int(value)})
    started = time.monotonic()
    made.run("dvc", "repro")
    return time.monotonic() - started, networks(made.folder)


def networks(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "models/network").iterdir())}


def swept(made: Repository) -> float:
    """Seconds of the whole command, with the comparison at its end."""
    values = [f"{key}={','.join(of_key)}" for key, of_key in VALUES.items()]
    launcher = ("hydra/launcher=joblib", f"hydra.launcher.n_jobs={AT_ONCE}")
    started = time.monotonic()
    print(made.run(sys.executable, "-m", "pipeline.sweep", "-m", *values, *launcher).stderr)
    return time.monotonic() - started


def experiment_networks(made: Repository) -> dict[tuple[float, ...], dict[str, bytes]]:
    """Network files of every experiment, by the values of its job."""
    files_by_values = {}
    command = ["git", "for-each-ref", "--format=%(objectname) %(contents:subject)", "refs/exps/"]
    for line in made.run(*command).stdout.splitlines():
        revision, _, subject = line.partition(" sweep: ")
        if subject:
            files = DVCFileSystem(str(made.folder), rev=revision)
            names = files.ls("models/network", detail=False)
            combination = tuple(float(each.partition("=")[2]) for each in subject.split())
            files_by_values[combination] = {Path(name).name: files.read_bytes(name) for name in names}
    return files_by_values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=whole_number(1), default=5)
    parser.add_argument("--alone", type=whole_number(0), default=8, help="jobs to run alone, too")
    options = parser.parse_args()
    combinations = list(itertools.product(*VALUES.values()))
    with tempfile.TemporaryDirectory() as folder:
        lone, whole = (repository(Path(folder) / name, options.epochs) for name in ("lone", "whole"))
        seconds = swept(whole)
        started = time.monotonic()
        lone.run("dvc", "repro", "encode", "filter-tags", "class-images")
        upstream = time.monotonic() - started
        results = experiment_networks(whole)
        own = []
        for combination in combinations[: options.alone]:
            took, files = alone(lone, combination)
            own.append(took)
            assert results[tuple(map(float, combination))] == files, (
                f"{combination} differs from the same run alone"
            )
        logs = "".join(path.read_text() for path in (whole.folder / ".athanor/sweeps/logs").glob("*.log"))
    for stage in SHARED_ONCE:
        assert logs.count(f"Running stage '{stage}'") == 1, stage
    assert len(results) == len(combinations)
    job = sum(own) / len(own)
    allowed = (upstream + len(combinations) * job / AT_ONCE) * 1.15 + len(combinations) * 5
    print(f"upstream alone {upstream:.0f} s, a job's own stages alone {job:.1f} s (mean of {len(own)})")
    print(f"sweep {seconds:.0f} s, allowed {allowed:.0f} s, ratio {seconds / allowed:.2f}")
    print(f"{len(own)} of {len(combinations)} jobs equal their lone runs byte by byte; upstream ran once")


if __name__ == "__main__":
    main()
