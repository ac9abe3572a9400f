"""Every preset of conf/experiment/ on the demo, shortened: `python -m benchmarks.presets [NAME ...]`.

Each runs through the whole graph in its own project, from twelve of the demo's pictures to a merged
checkpoint, with one epoch, few class pictures, one cell per file, and the demo base's resolution (128 px).
Prints the time and the losses; ends with an error if a preset does not run.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.compose import options
from pipeline.sweep.graph import stages

ROOT = Path(__file__).parent.parent
SHORT: dict[str, dict[str, Any]] = {
    "collect": {"source": "pictures", "min_side_px": 128},
    "crop": {"resolution": 128, "bucket_min_px": 64, "bucket_max_px": 256},
    "class_images": {"resolution": 128, "steps": 2},
    "train": {"epochs": 1, "save_every_epochs": 1},
    "sample_grid": {
        "resolution": 128, "steps": 1, "seeds": [1], "weights": [1.0], "prompts": ["zibbo, night"],
        "subject_tags": ["stripes"],
    },
}  # fmt: skip
PICTURES = 12
WITH_TRIGGER = {"filter_tags": {"trigger": "zibbo"}}


def make_project(folder: Path, preset: str) -> None:
    for name in ("conf", "demo"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "dvc.yaml", folder)
    pictures = folder / "pictures/1_zibbo"
    pictures.mkdir(parents=True)
    for picture in sorted((ROOT / "demo/pictures/7_zibbo").glob("*.png"))[:PICTURES]:
        shutil.copy(picture, pictures)
    params = {"use": {"base": "tiny", "experiment": preset}, **SHORT}
    if preset != "embedding":
        params |= WITH_TRIGGER
    if preset in ("person", "dreambooth"):
        params["class_images"] = {**SHORT["class_images"], "count": 4}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def run_preset(folder: Path, preset: str, store: Path) -> str | None:
    """The failed stage and its message; None if all stages ran."""
    make_project(folder, preset)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ATHANOR_STORE": str(store), "HF_HUB_OFFLINE": "1"}
    for stage in stages():
        command = [sys.executable, "-m", f"stages.{stage.replace('-', '_')}"]
        ended = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            return f"{stage}: {ended.stderr.strip()}"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=options("experiment"), metavar="NAME")
    failed = []
    with tempfile.TemporaryDirectory() as temporary:
        for name in parser.parse_args().names:
            folder, started = Path(temporary, name), time.monotonic()
            if problem := run_preset(folder, name, Path(temporary, "store")):
                failed.append(name)
                print(f"{name}: FAILED in {problem}", flush=True)
                continue
            facts = json.loads((folder / "metrics/train.json").read_text())
            print(
                f"{name}: {time.monotonic() - started:.0f} s, {facts['steps']} steps,"
                f" {facts['modules']} modules, loss {facts['loss_last_epoch']:.3f}",
                flush=True,
            )
    if failed:
        sys.exit(f"{len(failed)} presets do not run: {', '.join(failed)}")


if __name__ == "__main__":
    main()
