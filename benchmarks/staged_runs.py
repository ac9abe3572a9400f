"""The doctor's findings on runs that go wrong on purpose: `python -m benchmarks.staged_runs [NAME ...]
[--out DIR]`.

Trains the demo's character from the results of `dvc repro encode filter-tags` in data/: correctly, at rates a
hundred times too high and too low, on four pictures over and over, with captions of other pictures, and again
with the rate too high and rollback. Prints the losses and the doctor's findings of each.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.files.atomic import read_jsonl, write_jsonl

ROOT = Path(__file__).parent.parent
HEALTHY = ["train.epochs=5", "validation=holdout"]
Rows = list[dict[str, object]]


def few(records: Rows, _: Rows) -> None:
    """Four pictures, shown once an epoch."""
    records[:] = [{**row, "repeats": 1} for row in records[::6]]


def mixed(_: Rows, captions: Rows) -> None:
    """Moves every caption to another picture."""
    texts = [row["caption"] for row in captions]
    for row, text in zip(captions, texts[7:] + texts[:7], strict=True):
        row["caption"] = text


def as_it_is(_: Rows, __: Rows) -> None:
    """Changes nothing."""


Run = tuple[Callable[[Rows, Rows], None], list[str]]
RUNS: dict[str, Run] = {
    "healthy": (as_it_is, HEALTHY),
    "rate x 100": (as_it_is, [*HEALTHY, "optimizer.lr=0.3", "optimizer.text_encoder_lr=0.1"]),
    "rate / 100": (as_it_is, [*HEALTHY, "optimizer.lr=3e-5", "optimizer.text_encoder_lr=1e-5"]),
    "4 pictures, 400 epochs": (few, ["train.epochs=400", "train.save_every_epochs=100", "validation=light"]),
    "mixed-up captions": (mixed, HEALTHY),
    "rate x 100, rollback": (
        as_it_is,
        [*HEALTHY, "optimizer.lr=0.3", "optimizer.text_encoder_lr=0.1", "doctor=rollback"],
    ),
}


def staged(folder: Path, change: Callable[[Rows, Rows], None], settings: Sequence[str]) -> str:
    """Runs the training in its own project; returns its stderr."""
    for name in ("conf", "demo", "data/cropped", "data/encoded", "data/captions"):
        shutil.copytree(Path(name), folder / name)
    for name in ("dvc.yaml", "params.yaml", "params.resolved.yaml"):
        shutil.copy(name, folder)
    records, captions = folder / "data/encoded/records.jsonl", folder / "data/captions/captions.jsonl"
    rows, texts = read_jsonl(records), read_jsonl(captions)
    change(rows, texts)
    write_jsonl(records, rows)
    write_jsonl(captions, texts)
    ended = subprocess.run(
        [sys.executable, "-m", "stages.train", *settings, "--out", "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(RUNS), metavar="NAME", help=", ".join(RUNS))
    parser.add_argument("--out", type=Path, help="keep the runs here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.names:
            folder = (options.out or Path(temporary)) / name.replace(" ", "_").replace("/", "by")
            output = staged(folder, *RUNS[name])
            print(f"== {name}\n{output.strip()}")
            metrics = folder / "metrics/train.json"
            if metrics.exists():
                print(json.dumps(json.loads(metrics.read_text()), indent=1))


if __name__ == "__main__":
    main()
