"""From a 2200x1467 JPEG to a tagger's input: `python -m benchmarks.tagger_preprocessing [--quality 90]`.

Photographs from scikit-image, scikit-learn and matplotlib, enlarged and saved as JPEG, are processed in three
ways on one core: decoded whole and nothing else; decoded whole, then SmilingWolf's recipe to 448 px, as in
other tools; and our way, decoded no larger than needed. Rounds alternate, so that all run under the same
load. Prints pictures per second and core (of CPU time), the ratios, and how far our pixels are from the whole
decode's.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib import cbook
from PIL import Image
from skimage import data as photographs
from sklearn.datasets import load_sample_images

from pipeline.captions.preprocessing import WD14, read_for_network
from pipeline.pictures.reading import read_picture
from pipeline.typed_numbers import whole_number

SIZE = (2200, 1467)
SIDE_PX = 448


def real_photographs() -> dict[str, Image.Image]:
    """RGB photographs by name, at their original size."""
    shipped = {
        name: Image.fromarray(getattr(photographs, name)())
        for name in ("astronaut", "chelsea", "coffee", "rocket")
    }
    for name, pixels in zip(("china", "flower"), load_sample_images().images, strict=True):
        shipped[name] = Image.fromarray(pixels)
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as picture:
        shipped["grace_hopper"] = picture.convert("RGB")
    return shipped


def write_jpegs(folder: Path, quality: int) -> list[Path]:
    paths = []
    for name, picture in real_photographs().items():
        paths.append(folder / f"{name}.jpg")
        picture.resize(SIZE, Image.Resampling.LANCZOS).save(paths[-1], quality=quality)
    return paths


def decoded(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()


def whole(path: Path) -> np.ndarray:
    return WD14(read_picture(path), SIDE_PX)


def ours(path: Path) -> np.ndarray:
    return WD14(read_for_network(path, SIDE_PX), SIDE_PX)


def seconds_a_picture(way: Callable[[Path], object], paths: list[Path]) -> float:
    started = time.process_time()
    for path in paths:
        way(path)
    return (time.process_time() - started) / len(paths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=whole_number(1), default=5)
    parser.add_argument("--quality", type=whole_number(1, 100), default=90, help="of the JPEG files")
    chosen = parser.parse_args()
    ways = {"decoding alone": decoded, "whole decode, recipe": whole, "ours": ours}
    with tempfile.TemporaryDirectory() as name:
        paths = write_jpegs(Path(name), chosen.quality)
        seconds = [
            {name: seconds_a_picture(way, paths) for name, way in ways.items()} for _ in range(chosen.rounds)
        ]
        differences = [np.abs(ours(path) - whole(path)) for path in paths]
    for name in ways:
        rate = 1 / statistics.median(each[name] for each in seconds)
        print(f"{name:22}{rate:8.1f} pictures a second and core")
    for name in ("whole decode, recipe", "decoding alone"):
        ratios = sorted(each[name] / each["ours"] for each in seconds)
        print(f"ours is {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) times {name}")
    mean = max(float(each.mean()) for each in differences)
    ninety_nine = max(float(np.percentile(each, 99)) for each in differences)
    print(
        f"largest difference of a picture: mean {mean:.2f} of 255, 99 in 100 pixels within {ninety_nine:.0f}"
    )


if __name__ == "__main__":
    main()
