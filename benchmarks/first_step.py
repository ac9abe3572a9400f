"""From the command to the end of the first step: `python -m benchmarks.first_step [--side 256]`.

Writes a random base of SD 1.5's size (2 GB, fp16, in a temporary folder), one encoded picture and its
caption, starts `stages.train` on them as the graph does, and prints the seconds until the end of the
optimiser's first step.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.train_step import random_sd15
from pipeline.bases.save import save_file
from pipeline.files.atomic import write_jsonl
from pipeline.files.safetensors_file import write_safetensors
from pipeline.typed_numbers import whole_number

ROOT = Path(__file__).parent.parent
CHILD = """
import os, sys, time
from pipeline.command import run
from stages import train
from pipeline.training.callbacks.metrics import MetricsCallback
after = MetricsCallback.on_train_batch_end
def report(*arguments, **named):
    after(*arguments, **named)
    print(f"first step done after {time.time() - float(sys.argv.pop()):.1f} s", flush=True)
    os._exit(0)
MetricsCallback.on_train_batch_end = report
train.main(sys.argv[1:-1])
"""
"""Runs the stage and exits after its first step."""


def prepare(folder: Path, side_px: int) -> None:
    shutil.copytree(ROOT / "conf", folder / "conf")
    shutil.copy(ROOT / "dvc.yaml", folder)
    (folder / "params.yaml").write_text(
        "{use: {base: file}, base: {path: base.safetensors}, network: {dim: 16, alpha: 8},"
        " validation: {pictures: 0}}\n"
    )
    save_file(random_sd15(), folder / "base.safetensors", "fp16", {})
    encoded, captions = folder / "data/encoded", folder / "data/captions"
    encoded.mkdir(parents=True)
    captions.mkdir()
    write_safetensors(encoded / "latents.safetensors", {"a/0": torch.rand(8, side_px // 8, side_px // 8)}, {})
    row = {
        "id": "a/0", "concept": "a", "repeats": 4, "is_class": False, "caption": "a picture",
        "width_px": side_px, "height_px": side_px, "sha256": "", "group": "a/0",
    }  # fmt: skip
    write_jsonl(encoded / "records.jsonl", [row])
    write_jsonl(captions / "captions.jsonl", [{"id": "a/0", "caption": "a picture", "trigger": None}])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=whole_number(1), default=256, help="side of the picture, px")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, chosen.side)
        time.sleep(3)  # known_hashes.py does not trust the times of a file just written
        own = {"PYTHONPATH": str(ROOT), "ATHANOR_STORE": str(folder / "store")}
        environment = {**os.environ, **own}
        subprocess.run([sys.executable, "-m", "stages.compose"], cwd=folder, env=environment, check=True)
        subprocess.run(
            [sys.executable, "-c", CHILD, str(time.time())], cwd=folder, env=environment, check=True
        )


if __name__ == "__main__":
    main()
