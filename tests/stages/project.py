"""A whole project in a temporary folder: the real conf/ and dvc.yaml, a random base, a tagger made by hand,
drawn pictures.
"""

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml
from PIL import Image

from pipeline.bases.save import save_folder
from stages import (
    class_images,
    collect,
    compose,
    crop,
    encode,
    filter_tags,
    merge,
    report,
    sample_grid,
    tag,
    train,
)
from tests.conftest import ROOT
from tests.pipeline.bases.random_sd1 import random_base
from tests.pipeline.captions.onnx_models import write_tagger

STAGES = (compose, collect, crop, tag, filter_tags, class_images, encode, train, sample_grid, merge, report)
PARAMS: dict[str, Any] = {
    "base": {"path": "base"},
    "collect": {"source": "photos", "min_side_px": 64},
    "crop": {"resolution": 64},
    "tag": {"model": "tagger"},
    "filter_tags": {"trigger": "zib", "threshold": 0.1},
    "class_images": {"resolution": 64, "steps": 2},
    "network": {"dim": 2, "alpha": 1},
    "train": {"name": "net", "epochs": 2, "batch": 2},
    "sample_grid": {
        "resolution": 64,
        "steps": 2,
        "weights": [0.5, 1.0],
        "prompts": ["zib"],
        "subject_tags": ["greenish"],
    },
}


def make_project(folder: Path, **changes: dict[str, Any]) -> Path:
    """`changes`: keys to change by group. The folder is ready for `stages.compose`."""
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "conf", folder / "conf")
    shutil.copy(ROOT / "dvc.yaml", folder)
    params = {group: {**PARAMS.get(group, {}), **changes.get(group, {})} for group in {**PARAMS, **changes}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copytree(_inputs(), folder, dirs_exist_ok=True)
    return folder


@cache
def _inputs() -> Path:
    """Base, tagger and pictures, made once for each process."""
    made = TemporaryDirectory(prefix="athanor-inputs-")
    atexit.register(made.cleanup)
    folder = Path(made.name)
    save_folder(random_base(), folder / "base", "fp32", {})
    write_tagger(folder / "tagger", "N")
    draw_pictures(folder / "photos" / "2_zib", 3)
    return folder


def draw_pictures(folder: Path, number: int) -> None:
    """Pictures of noise, so that no two are alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        noise = np.random.default_rng(index).integers(0, 256, (96, 64 + 8 * (index % 20), 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{index}.png")


def run_all() -> None:
    """Every stage in the graph's order, in the working folder."""
    for stage in STAGES:
        stage.main([])


def outputs(folder: Path) -> dict[str, bytes]:
    """Every file that stages write, by path."""
    roots = ("params.resolved.yaml", "data", "models", "reports", "metrics", "plots")
    files = [
        path
        for root in roots
        for path in ([folder / root] if (folder / root).is_file() else (folder / root).rglob("*"))
    ]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if path.is_file()}
