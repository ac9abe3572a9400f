"""What the doctor and the verdict say of runs that go wrong on purpose: `python -m benchmarks.staged_runs
[NAME ...] [--out DIR]`.

Trains and draws the demo's character from the results of `dvc repro filter-tags` in data/: correctly, for too
short a time, at rates a hundred times too high and too low, on four pictures over and over, with captions of
other pictures, with another trigger, with captions that make every critter the character, with preservation,
with class pictures of one word, and again with the rate too high and rollback. Prints the losses, the
doctor's findings and the verdict of each, then a Markdown table of the last epoch at weight 1.0; `--out`
keeps the runs and six pictures of each in staged_runs.png, the last two of other things. Runs that are there
already are not trained again.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.config.check import check
from pipeline.config.load import read_resolved
from pipeline.files.atomic import read_jsonl, write_jsonl
from pipeline.grid.drift import drift_cells
from pipeline.networks.epochs import epoch_files
from pipeline.same_bytes import fix
from pipeline.sweep.worktrees import write_overrides
from pipeline.training.holdout import position
from stages import NETWORKS
from stages.sample_grid import planned, store_of

ROOT = Path(__file__).parent.parent
GRID = ["sample_grid.weights=[1.0]", "train.save_every_epochs=5"]
HEALTHY = ["use.validation=holdout", *GRID]
OFTEN = ["train.epochs=400", "train.save_every_epochs=100", "validation.every_epochs=20"]
CLASS_PICTURES = [
    "use.class_images=prior", "class_images.prompt=critter", "class_images.count=96",
    "class_images.guidance=3.5",
]  # fmt: skip
PRESERVED = ["train.preservation=differential", "train.preservation_class=critter"]
RATE_TOO_HIGH = ["optimizer.lr=0.3", "optimizer.text_encoder_lr=0.1", "train.epochs=5"]
MEASURES = ("identity", "subject", "prompt", "quality", "retained", "bleed", "drift", "nearest_training")
SHOWN = 4
"""Pictures of a run with the character, one of each prompt."""
Rows = list[dict[str, object]]


def few(records: Rows, _: Rows) -> None:
    """Learns four pictures, shown once an epoch, and holds out the same four as the healthy run."""
    rows = sorted(records, key=lambda row: position(str(row["group"])))
    records[:] = [{**row, "repeats": 1} for row in (*rows[:4], *rows[4::5])]


def mixed(_: Rows, captions: Rows) -> None:
    """Moves every caption to another picture."""
    texts = [row["caption"] for row in captions]
    for row, text in zip(captions, texts[7:] + texts[:7], strict=True):
        row["caption"] = text


def other_trigger(_: Rows, captions: Rows) -> None:
    for row in captions:
        row["caption"] = str(row["caption"]).replace("zibbo", "quolim")


def of_every_critter(_: Rows, captions: Rows) -> None:
    """The class's word joins the trigger: what is learned of it changes all critters."""
    for row in captions:
        row["caption"] = str(row["caption"]).replace("zibbo", "zibbo, critter")


def as_it_is(_: Rows, __: Rows) -> None:
    """Changes nothing."""


@dataclass(frozen=True)
class Run:
    change: Callable[[Rows, Rows], None]
    settings: Sequence[str]


RUNS: dict[str, Run] = {
    "healthy": Run(as_it_is, HEALTHY),
    "one epoch": Run(as_it_is, [*HEALTHY, "train.epochs=1", "train.save_every_epochs=1"]),
    "rate x 100": Run(as_it_is, [*HEALTHY, *RATE_TOO_HIGH]),
    "rate / 100": Run(as_it_is, [*HEALTHY, "optimizer.lr=3e-5", "optimizer.text_encoder_lr=1e-5"]),
    "4 pictures, 400 epochs": Run(few, [*HEALTHY, *OFTEN]),
    "mixed-up captions": Run(mixed, HEALTHY),
    "another trigger": Run(other_trigger, HEALTHY),
    "every critter": Run(of_every_critter, HEALTHY),
    "with preservation": Run(as_it_is, [*HEALTHY, *PRESERVED]),
    "class pictures": Run(as_it_is, [*HEALTHY, *CLASS_PICTURES]),
    "rate x 100, rollback": Run(as_it_is, [*HEALTHY, *RATE_TOO_HIGH, "use.doctor=rollback"]),
}


def stage(folder: Path, name: str) -> str:
    """Runs it in the folder; returns its stderr."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ATHANOR_STORE": str(folder / "store")}
    command = [sys.executable, "-m", f"stages.{name}"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    ).stderr


def staged(folder: Path, run: Run) -> str:
    """Trains, unless the folder holds its networks, and draws in a project of its own; returns what train and
    sample-grid said.
    """
    if (folder / "metrics/train.json").exists():
        return stage(folder, "compose") + stage(folder, "sample_grid")
    return trained(folder, run) + stage(folder, "sample_grid")


def trained(folder: Path, run: Run) -> str:
    """Trains in a project of its own; returns what was said."""
    for name in ("conf", "demo", "data/cropped", "data/captions"):
        shutil.copytree(Path(name), folder / name)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(name, folder)
    write_overrides(folder / "params.yaml", tuple(run.settings))
    said = stage(folder, "compose") + stage(folder, "class_images") + stage(folder, "encode")
    records, captions = folder / "data/encoded/records.jsonl", folder / "data/captions/captions.jsonl"
    rows, texts = read_jsonl(records), read_jsonl(captions)
    every = {row["id"] for row in rows}
    run.change(rows, texts)
    write_jsonl(records, rows)
    write_jsonl(captions, texts)
    said += stage(folder, "train")
    if unused := every - {row["id"] for row in rows}:
        held_out = folder / "reports/training/held_out.json"
        held_out.write_text(json.dumps(sorted({*unused, *json.loads(held_out.read_text())})))
    return said


def read(folder: Path, name: str) -> Any:
    path = folder / name
    return json.loads(path.read_text()) if path.exists() else None


def table_row(name: str, folder: Path) -> str:
    """The last epoch's measures, each with the base alone's in brackets."""
    ranking, verdict = (read(folder, f"reports/sample-grid/{each}.json") for each in ("ranking", "verdict"))
    if not ranking:
        return f"| {name} | - |" + " - |" * len(MEASURES)
    last = max(ranking, key=lambda place: place["epoch"])
    cells = [cell(last["measures"].get(each), verdict["base"].get(each)) for each in MEASURES]
    proposed = verdict["proposed"]
    epoch = f"epoch {proposed['epoch']}" if proposed else "none"
    return f"| {name} | {epoch} | {' | '.join(cells)} |"


def cell(measured: Any, base: Any) -> str:
    if measured is None:
        return "-"
    return f"{measured['mean']:.2f}" + (f" ({base['mean']:.2f})" if base else "")


def shown(folder: Path) -> list[Image.Image]:
    """One picture of each prompt, of the last epoch, then one of each drift prompt."""
    manifest = read(folder, "reports/sample-grid/grid.json")
    if manifest is None:
        return []
    sheets = sorted((folder / "reports/sample-grid/cells").glob("*.webp"))
    with Image.open(sheets[-1]) as sheet:
        side = sheet.width // SHOWN
        own = [sheet.crop((0, row * side, side, (row + 1) * side)).convert("RGB") for row in range(SHOWN)]
    return [*own, *of_other_things(folder)]


def of_other_things(folder: Path) -> list[Image.Image]:
    """One picture of each drift prompt, of the last epoch; the report has none of them."""
    os.environ["ATHANOR_STORE"] = str(folder / "store")
    fix()  # the demo's pictures are kept by that arithmetic
    with chdir(folder):
        config, epochs = check(read_resolved()), epoch_files(NETWORKS)
        cells = drift_cells(planned(config, epochs).cells, config.sample_grid.drift_prompts)
        last = [cell for cell in cells if cell.network == epochs[max(epochs)]][-1]
        pictures = store_of(config, epochs).pictures(last)[:: len(last.seeds)]
        return [picture.convert("RGB") for picture in pictures]


def contact_sheet(folders: Sequence[Path]) -> Image.Image:
    """A row of pictures for each run."""
    rows = [found for folder in folders if (found := shown(folder))]
    side = rows[0][0].width
    sheet = Image.new("RGB", (max(map(len, rows)) * side, len(rows) * side))
    for number, row in enumerate(rows):
        for column, picture in enumerate(row):
            sheet.paste(picture, (column * side, number * side))
    return sheet


def report(name: str, folder: Path, said: str) -> None:
    print(f"== {name}\n{said.strip()}")
    if (metrics := read(folder, "metrics/train.json")) is not None:
        print(json.dumps(metrics, indent=1))
    if (verdict := read(folder, "reports/sample-grid/verdict.json")) is not None:
        print("\n".join([*verdict["sentences"], *(each["sentence"] for each in verdict["found"])]))
        print(json.dumps(verdict["drift_scale"]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(RUNS), metavar="NAME", help=", ".join(RUNS))
    parser.add_argument("--out", type=Path, help="keep the runs here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = (options.out or Path(temporary)).resolve()
        folders = {name: home / name.replace(" ", "_").replace("/", "by") for name in options.names}
        for name, folder in folders.items():
            report(name, folder, staged(folder, RUNS[name]))
        print(f"| run | proposed | {' | '.join(MEASURES)} |\n|---|---|{'---|' * len(MEASURES)}")
        for name, folder in folders.items():
            print(table_row(name, folder))
        if options.out:
            contact_sheet(list(folders.values())).save(home / "staged_runs.png", optimize=True)


if __name__ == "__main__":
    main()
