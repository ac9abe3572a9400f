"""Collecting over bare decoding: `python -m benchmarks.collect [--pictures 1000] [--workers 2]`.

Makes JPEGs of 1920x1200 from photographs that scikit-image and scikit-learn ship. Prints, as ratios in one
run, what the stage costs over decoding each file once with as many threads, and what one picture more costs;
then CPU a picture and the peak of memory.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_images

from pipeline.config.schemas import Collect
from stages.collect import collect

SIDES = (1920, 1200)


def make_pictures(folder: Path, number: int) -> None:
    """Random crops of the photographs, so that no two files are the same."""
    sources = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket(), *load_sample_images().images]
    photographs = [Image.fromarray(pixels) for pixels in sources]
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for index in range(number):
        photograph = photographs[index % len(photographs)]
        height = min(photograph.height, int(photograph.width * SIDES[1] / SIDES[0]))
        height = int(height * generator.uniform(0.5, 1))
        width = height * SIDES[0] // SIDES[1]
        left = int(generator.integers(0, photograph.width - width + 1))
        top = int(generator.integers(0, photograph.height - height + 1))
        cut = photograph.crop((left, top, left + width, top + height))
        cut.resize(SIDES).save(folder / f"{index:05}.jpg", quality=90)


def decode(path: Path) -> None:
    with Image.open(path) as picture:
        picture.convert("RGB")


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of calling `work`."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    chosen = parser.parse_args()
    values = yaml.safe_load(Path("conf/collect/pictures.yaml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as place:
        os.environ["ATHANOR_STORE"] = f"{place}/store"
        folder, out = Path(place, "1_many"), Path(place, "out")
        make_pictures(folder, chosen.pictures + 1)
        more = folder / f"{chosen.pictures:05}.jpg"
        more.rename(Path(place, more.name))
        config = Collect(**{**values, "source": str(folder)})
        with ThreadPoolExecutor(chosen.workers) as pool:
            bare = seconds(lambda: list(pool.map(decode, sorted(folder.iterdir()))))
        first = seconds(lambda: collect(config, out))
        Path(place, more.name).rename(more)
        second = seconds(lambda: collect(config, out))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"collect / bare decoding: wall {first[0] / bare[0]:.2f}, CPU {first[1] / bare[1]:.2f}")
    print(f"one picture more / all: wall {second[0] / first[0]:.3f} ({second[0]:.2f} s)")
    print(f"CPU {first[1] / chosen.pictures * 1000:.1f} ms a picture; peak memory {memory:.0f} MiB")


if __name__ == "__main__":
    main()
