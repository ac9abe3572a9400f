"""The cost of a picture without its pixels, and how it grows: `python -m benchmarks.records
[--numbers 1000 10000 100000] [--plot docs/records.svg]`.

Makes sets of synthetic records, runs `collect` and `filter-tags` on them as processes in a new project, and
prints wall and processor time and peak memory. For `collect` the store already has the measures of all files,
so it only finds, hashes, judges, copies and writes records; `filter-tags` gets rows of thirty scores. Also
draws both curves.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import yaml

from pipeline.captions.word_lists import word_list
from pipeline.files.hashing import sha256_of_bytes
from pipeline.pictures.measures import VERSION, PictureMeasures, SlowMeasures
from pipeline.store.items import Items, key
from pipeline.typed_numbers import whole_number

ROOT = Path(__file__).parent.parent
NUMBERS = (1_000, 10_000, 100_000)
PER_FOLDER = 1000
"""Pictures in a folder, as large sets are stored."""
TAGS_A_PICTURE = 30
CARDS = 2000
"""Number of crops that exist as files: the ones on the dataset's page."""


MEASURED = """
import resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
"""A small process that starts the stage: peak memory starts at the parent's."""


@dataclass(frozen=True)
class Cost:
    """Cost of one run of a stage: seconds, and peak memory in MiB."""

    stage: str
    pictures: int
    wall_s: float
    cpu_s: float
    peak_mib: float


ASKED = SlowMeasures(damage_under_px=256).identity()
"""As conf/collect asks with the base tiny: twice its min_side_px."""


def run(stage: str, project: Path) -> tuple[float, float, float]:
    """Wall and processor seconds of a stage, and its peak memory in MiB."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ATHANOR_STORE": str(project / "store")}
    command = [sys.executable, "-c", MEASURED, sys.executable, "-m", f"stages.{stage}"]
    ended = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)
    code, wall, cpu, peak = ended.stdout.split()
    if code != "0":
        sys.exit(f"{stage} failed: {ended.stderr}")
    return float(wall), float(cpu), float(peak)


def make_project(folder: Path) -> None:
    """Makes conf/, dvc.yaml and params.yaml, with a source of synthetic pictures."""
    shutil.copytree(ROOT / "conf", folder / "conf")
    shutil.copy(ROOT / "dvc.yaml", folder)
    for name in ("base", "tagger"):
        shutil.copytree(ROOT / "demo" / name, folder / "demo" / name)
    params = {"use": {"base": "tiny"}, "collect": {"source": "pictures"}, "filter_tags": {"trigger": "zib"}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def measures(digest: str, number: int, rng: Random) -> PictureMeasures:
    """Measures of a picture without faults; one in fifty looks like another."""
    bits = Random(number // 2).getrandbits(64) if number % 50 == 1 else rng.getrandbits(64)
    return PictureMeasures(
        sha256=digest, width_px=768, height_px=1024, format="PNG", broken_profile=False,
        perceptual_hash=Random(number // 2).getrandbits(64) if number % 50 == 0 else bits,
        sharpness=120.0, brightness=0.5, border_share=0.0, text_lines=0,
    )  # fmt: skip


def make_pictures(folder: Path, num: int) -> None:
    """Makes files named like pictures, their captions, and their measures in the store."""
    os.environ["ATHANOR_STORE"] = str(folder / "store")
    rng, items = Random(0), Items("collect")
    for number in range(num):
        path = folder / "pictures/1_zib" / f"{number // PER_FOLDER:04}" / f"{number:07}.png"
        if number % PER_FOLDER == 0:
            path.parent.mkdir(parents=True)
        data = b"synthetic picture %d" % number
        path.write_bytes(data)
        path.with_suffix(".txt").write_text("one girl, a meadow, full body")
        digest = sha256_of_bytes(data)
        known = json.dumps(asdict(measures(digest, number, rng)), sort_keys=True)
        items.put(f"{key(version=VERSION, picture=digest, asked=ASKED)}.json", known.encode())


def scores(rng: Random, tags: Sequence[str]) -> dict[str, dict[str, float]]:
    return {"general": {tag: round(rng.uniform(0.1, 1), 5) for tag in rng.sample(tags, TAGS_A_PICTURE)}}


def rows(num: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of a line of tags.jsonl and one of the crops' records.jsonl, by id."""
    rng = Random(1)
    tags = [tag for name in ("pose", "expression", "background") for tag in word_list(f"keep/{name}")]
    tags += [tag for name in ("hair", "clothes") for tag in word_list(f"identity/{name}")]
    names = sorted({tag.replace("*", "long").strip() for tag in tags})
    for number in range(num):
        picture_id = f"zib/{number:07}"
        shown = {"id": picture_id, "concept": "zib", "is_class": False, "caption": None}
        record = {
            **shown, "file": f"{picture_id}.png", "sha256": sha256_of_bytes(picture_id.encode()),
            "width_px": 512, "height_px": 512, "repeats": 1, "verdict": "ok", "notes": [],
            "group": picture_id,
            "origin": {"box_px": [0, 0, 768, 768], "scale": 0.6667, "mirrored": False, "by": "focal"},
        }  # fmt: skip
        yield {**shown, "sentence": None, "scores": scores(rng, names)}, record


def make_crops(folder: Path, num: int) -> None:
    """Makes tags.jsonl, records.jsonl, and copies of one picture as the crops on the page."""
    (folder / "data/tags").mkdir(parents=True)
    pictures = folder / "data/cropped/pictures/zib"
    pictures.mkdir(parents=True)
    with (
        (folder / "data/tags/tags.jsonl").open("w") as tags,
        (folder / "data/cropped/records.jsonl").open("w") as records,
    ):
        for row, record in rows(num):
            tags.write(json.dumps(row, sort_keys=True) + "\n")
            records.write(json.dumps(record, sort_keys=True) + "\n")
    picture = next((ROOT / "demo/pictures").rglob("*.png"))
    for number in range(min(num, CARDS)):
        shutil.copy(picture, pictures / f"{number:07}.png")


STAGES = {"collect": make_pictures, "filter_tags": make_crops}
"""By stage: the function that makes its input."""


def costs(num: int, stages: Sequence[str]) -> Iterator[Cost]:
    """Runs each of these stages on `num` records."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        make_project(project)
        run("compose", project)
        for stage in stages:
            STAGES[stage](project, num)
            wall, cpu, peak = run(stage, project)
            yield Cost(stage, num, wall, cpu, peak)


def plot(costs: Sequence[Cost], path: Path) -> None:
    """Draws time and memory by the number of records as SVG; equal costs give equal bytes."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    settings: Any = {"svg.hashsalt": "records", "svg.fonttype": "none", "font.family": "sans-serif"}
    with plt.rc_context(settings):
        figure, (time, memory) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
        for stage in STAGES:
            theirs = [cost for cost in costs if cost.stage == stage]
            numbers = [cost.pictures for cost in theirs]
            time.loglog(numbers, [cost.cpu_s for cost in theirs], "o-", label=stage.replace("_", "-"))
            memory.semilogx(numbers, [cost.peak_mib for cost in theirs], "o-")
        time.set(xlabel="records", ylabel="processor time, s")
        memory.set(xlabel="records", ylabel="peak of memory, MiB", ylim=(0, None))
        time.legend()
        for axes in (time, memory):
            axes.grid(alpha=0.3)
        figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path, help="draw the curves into this SVG")
    parser.add_argument("--numbers", type=whole_number(1), nargs="+", default=list(NUMBERS))
    parser.add_argument("--stages", choices=STAGES, nargs="+", default=list(STAGES))
    options = parser.parse_args()
    measured = []
    for number in options.numbers:
        for cost in costs(number, options.stages):
            measured.append(cost)
            print(
                f"{cost.stage}: {cost.pictures} records, {cost.wall_s:.1f} s wall,"
                f" {cost.cpu_s / cost.pictures * 1e6:.0f} us of processor time a record,"
                f" at most {cost.peak_mib:.0f} MiB",
                flush=True,
            )
    if options.plot:
        plot(measured, options.plot)


if __name__ == "__main__":
    main()
