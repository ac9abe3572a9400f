"""The cost of collecting, cropping, tagging and captioning: `python -m benchmarks.data_preparation
[--pictures 1000]`.

Makes photographs of 1920x1200 (JPEG) from the ones in scikit-image, matplotlib and scikit-learn, runs the
four stages on them as processes in a new project, then adds one picture and runs them again. Prints processor
time per picture, its ratio to only decoding, scaling and encoding the same pictures, how many cores were
busy, and peak memory; for crop also without face detection.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml
from matplotlib import cbook
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

from pipeline.typed_numbers import whole_number

ROOT = Path(__file__).parent.parent
SHAPE = (1920, 1200)
STAGES = ("collect", "crop", "tag", "filter_tags")
PARAMS: dict[str, dict[str, object]] = {
    "collect": {"source": "photos"},
    "crop": {"resolution": 512},
    "class_images": {"resolution": 512},
}


def photographs() -> list[Image.Image]:
    """Real photographs, enlarged to cover SHAPE."""
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as hopper:
        arrays = [np.asarray(hopper.convert("RGB"))]
    arrays += [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    arrays += [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    return [Image.fromarray(pixels) for pixels in arrays]


def variants(number: int) -> Iterator[Image.Image]:
    """Different cuts of the photographs."""
    pictures = photographs()
    for index in range(number):
        picture, rng = pictures[index % len(pictures)], np.random.default_rng(index)
        width = int(picture.width * rng.uniform(0.6, 1))
        height = min(picture.height, int(width * SHAPE[1] / SHAPE[0]))
        left = int(rng.integers(0, picture.width - width + 1))
        top = int(rng.integers(0, picture.height - height + 1))
        yield picture.crop((left, top, left + width, top + height)).resize(SHAPE, Image.Resampling.BICUBIC)


def make_project(folder: Path, pictures: int) -> Path:
    """Makes conf/, dvc.yaml, params.yaml and photos/; returns photos/."""
    shutil.copytree(ROOT / "conf", folder / "conf")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "demo" / "base", folder / "demo" / "base")
    shutil.copytree(ROOT / "demo" / "tagger", folder / "demo" / "tagger")
    set_params(folder, **PARAMS)
    photos = folder / "photos"
    photos.mkdir()
    for index, picture in enumerate(variants(pictures)):
        picture.save(photos / f"{index:05}.jpg", quality=92, comment=str(index))
    return photos


def set_params(folder: Path, **groups: dict[str, object]) -> None:
    """Changes values in params.yaml."""
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for group, values in groups.items():
        params[group] = {**params.get(group, {}), **values}
    path.write_text(yaml.safe_dump(params))


def run(stage: str, project: Path) -> tuple[float, float, float]:
    """Wall and processor seconds of a stage, and its peak memory in MiB."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ATHANOR_STORE": str(project / "store")}
    started = time.perf_counter()
    with (project / "stderr.txt").open("w") as errors:
        command = [sys.executable, "-m", f"stages.{stage}"]
        process = subprocess.Popen(command, cwd=project, env=environment, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{stage} failed: {(project / 'stderr.txt').read_text()}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def remove_outputs(stage: str, project: Path) -> None:
    """As DVC does before it runs a stage."""
    listed = yaml.safe_load((project / "dvc.yaml").read_text())["stages"][stage.replace("_", "-")]
    for entry in [*listed["outs"], *listed.get("metrics", []), *listed.get("plots", [])]:
        name = entry if isinstance(entry, str) else next(iter(entry))
        path = project / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def bare(photos: Path) -> float:
    """Processor seconds per picture to decode it, scale it to the crop's size and encode it."""
    files = sorted(photos.iterdir())[:100]
    started = time.process_time()
    for file in files:
        with Image.open(file) as picture:
            square = picture.convert("RGB").resize(
                (512, 512), Image.Resampling.LANCZOS, box=(360, 0, 1560, 1200)
            )
        square.save(io.BytesIO(), "PNG")
    return (time.process_time() - started) / len(files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=whole_number(1), default=1000)
    number = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        photos = make_project(project, number)
        run("compose", project)
        floor = bare(photos)
        print(f"only decoding, scaling, encoding: {floor * 1000:.0f} ms of processor time a picture")
        for stage in STAGES:
            wall, cpu, peak = run(stage, project)
            print(
                f"{stage}: {cpu / number * 1000:.0f} ms of processor time a picture,"
                f" {cpu / number / floor:.2f} times that; {number / wall:.1f} pictures/s,"
                f" {cpu / wall:.2f} cores busy, at most {peak:.0f} MiB"
            )
        next(variants(1)).rotate(90, expand=True).save(photos / "new.jpg", quality=92)
        for stage in STAGES:
            remove_outputs(stage, project)
        again = {stage: run(stage, project)[0] for stage in STAGES}
        seconds = ", ".join(f"{stage} {wall:.2f}" for stage, wall in again.items())
        print(f"one picture more: {sum(again.values()):.2f} s ({seconds})")
        set_params(project, crop={"face_weight": 0.0})
        run("compose", project)
        _, cpu, _ = run("crop", project)
        print(f"crop without faces: {cpu / number * 1000:.0f} ms of processor time a picture")


if __name__ == "__main__":
    main()
