"""Runs every family of network on the demo's sets: `python -m demo.families [--cached] [NAME...]` writes the
table and the pictures of docs/networks.md.

Each family is a `dvc repro` of this commit in its own worktree, with this project's cache; CHANGES has what
it changes in params.yaml. Training and grid run again, so that their time is measured; with `--cached` they
come from the cache if possible, and the last table's times stay.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from pipeline.files.atomic import write_json, write_text
from pipeline.pictures.thumbnails import webp_thumbnail

Groups = Mapping[str, Mapping[str, object]]

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "networks.md"
PICTURES = ROOT / "docs" / "networks"
FIGURES = PICTURES / "figures.json"
PICTURE_PX = 1400
TABLE_BEGINS, TABLE_ENDS = "<!-- table: python -m demo.families -->", "<!-- end of table -->"
HEADER = (
    "| family | learns | changed in params.yaml | best | subject | prompt | base's subject | size | time |"
)

SETS: dict[str, Groups] = {
    "zibbo": {},
    "mumbo": {
        "collect": {"source": "demo/known_pictures"},
        "filter_tags": {"trigger": "mumbo", "blacklist": ["critter", "* fur", "* body", "* ears", "* hat"]},
        "train": {"name": "mumbo", "epochs": 10},
        "sample_grid": {"subject_tags": ["blue fur", "square body", "round ears", "top hat"]},
    },
    "blocky": {
        "collect": {"source": "demo/style_pictures"},
        "filter_tags": {"trigger": "blocky", "blacklist": ["critter", "* body", "* ears", "* hat"]},
        "train": {"name": "blocky", "epochs": 10},
        "sample_grid": {"subject_tags": ["square body", "round ears", "top hat"]},
    },
}
"""Values of params.yaml by set; zibbo needs none. mumbo, a character, and blocky, a style, have only features
that the base knows: for families that cannot add anything to draw.
"""
LEARNS = {"embedding": "mumbo", "ia3": "blocky", "hypernetwork": "blocky"}
"""The set by family; the others learn zibbo."""
CHANGES: dict[str, Groups] = {
    "lora": {"network": {"dim": 16, "alpha": 16}},
    "locon": {"network": {"dim": 16, "alpha": 16, "conv_dim": 8, "conv_alpha": 8}},
    "loha": {"network": {"dim": 8, "alpha": 8}},
    "lokr": {"network": {"dim": 16, "alpha": 16, "factor": 4}, "optimizer": {"lr": 1e-2}},
    "ia3": {
        "use": {"schedule": "cosine"},
        "network": {},
        "noise": {"min_timestep": 500},
        "optimizer": {"lr": 4e-2, "text_encoder_lr": 1e-2, "weight_decay": 0.0},
        "train": {"epochs": 20, "save_every_epochs": 10},
    },
    "dylora": {"network": {"dim": 16, "alpha": 16}},
    "dora": {"network": {"dim": 16, "alpha": 16, "dora": True}},
    "embedding": {
        "network": {"words": ["mumbo"], "initial_text": "critter"},
        "optimizer": {"lr": 5e-3, "weight_decay": 0.0},
    },
    "hypernetwork": {
        "use": {"schedule": "cosine"},
        "network": {"layer_structure": [1, 4, 1], "activation": "swish", "sizes": [64]},
        "noise": {"min_timestep": 400},
        "optimizer": {"lr": 4e-3, "weight_decay": 0.0},
        "train": {"epochs": 20, "save_every_epochs": 10},
    },
    "dreambooth": {
        "use": {"class_images": "prior"},
        "network": {"dim": 16, "alpha": 16},
        "class_images": {"prompt": "critter", "count": 48},
        "train": {"epochs": 10},
    },
    "checkpoint": {"network": {}, "optimizer": {"lr": 2e-4, "text_encoder_lr": 0.0}},
}
"""Values of params.yaml by family, in addition to `use.network`; `dora` and `dreambooth` use lora."""
OPTION = {"dora": "lora", "dreambooth": "lora"}


def run_of(family: str) -> dict[str, Any]:
    """A run's columns of the table, without results: the set, and the changed keys."""
    groups = CHANGES[family].items()
    return {
        "learns": LEARNS.get(family, "zibbo"),
        "changed": {f"{group}.{key}": value for group, values in groups for key, value in values.items()},
    }


def params_of(family: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """params.yaml of a family's run: its option and values replace the group network, and are added to the
    other groups.
    """
    made = {**params, "use": {**params["use"], "network": OPTION.get(family, family)}}
    del made["network"]
    name = LEARNS.get(family, "zibbo")
    for changes in (SETS[name], CHANGES[family]):
        made |= {group: {**made.get(group, {}), **values} for group, values in changes.items() if values}
    prompts = [prompt.replace("zibbo", name) for prompt in params["sample_grid"]["prompts"]]
    made["sample_grid"] = {**made["sample_grid"], "prompts": prompts}
    return made


@contextmanager
def worktree() -> Iterator[Path]:
    """This commit in its own folder, with this project's cache."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        _run(["git", "worktree", "add", "--quiet", "--detach", str(folder)], ROOT)
        try:
            cache = ROOT / ".dvc" / "cache"
            _run([sys.executable, "-m", "dvc", "cache", "dir", "--local", str(cache)], folder)
            yield folder
        finally:
            _run(["git", "worktree", "remove", "--force", str(folder)], ROOT)


def _run(command: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


def reproduced(folder: Path, again: bool) -> float:
    """Seconds that training and grid took; `again`: without any cache for them."""
    repro = [sys.executable, "-m", "dvc", "repro"]
    _run([*repro, "encode", "filter-tags", "class-images"], folder)
    with tempfile.TemporaryDirectory() as store:
        started = time.monotonic()
        if again:
            own = os.environ | {"ATHANOR_STORE": store}
            _run([*repro, "--force", "--single-item", "train", "sample-grid"], folder, own)
        else:
            _run([*repro, "sample-grid"], folder)
        return time.monotonic() - started


def result(family: str, folder: Path, again: bool) -> dict[str, Any]:
    """Trains the family and draws its grid; returns the figures of the table."""
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(params_of(family, yaml.safe_load((ROOT / "params.yaml").read_text()))))
    seconds = reproduced(folder, again)
    with Image.open(folder / "reports/sample-grid/grid.png") as grid:
        (PICTURES / f"{family}.webp").write_bytes(webp_thumbnail(grid, PICTURE_PX))
    scores = json.loads((folder / "metrics/sample_grid.json").read_text())
    file = json.loads((folder / "reports/sample-grid/choice.json").read_text())["file"]
    bytes_ = (folder / "models/network" / file).stat().st_size
    figures = {"base": scores["base"], "best": scores["best"], "bytes": bytes_, "seconds": round(seconds)}
    return {**run_of(family), **figures}


def row(family: str, figures: Mapping[str, Any]) -> str:
    """A line of the table."""
    best = figures["best"]
    changed = (f"`{key}: {json.dumps(value)}`" for key, value in sorted(figures["changed"].items()))
    return (
        f"| [{family}](networks/{family}.webp) | {figures['learns']} | {', '.join(changed) or 'nothing'}"
        f" | epoch {best['epoch']}, weight {best['weight']:g}"
        f" | {best['subject']:.0%} | {best['prompt']:.0%} | {figures['base']['subject']:.0%}"
        f" | {figures['bytes'] / 1000:.0f} kB | {figures['seconds'] // 60}:{figures['seconds'] % 60:02} |"
    )


def page_with(table: str, text: str) -> str:
    """The page with its table replaced."""
    before, _, rest = text.partition(TABLE_BEGINS)
    _, _, after = rest.partition(TABLE_ENDS)
    return f"{before}{TABLE_BEGINS}\n\n{table}\n\n{TABLE_ENDS}{after}"


def write_table(figures: Mapping[str, Any]) -> None:
    columns = HEADER.count("|") - 1
    rows = [row(family, figures[family]) for family in CHANGES if family in figures]
    table = "\n".join([HEADER, "|" + " --- |" * columns, *rows])
    write_text(PAGE, page_with(table, PAGE.read_text(encoding="utf-8")))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.families")
    parser.add_argument("names", nargs="*", choices=[[], *CHANGES], metavar="NAME")
    parser.add_argument(
        "--cached", action="store_true", help="results from the cache, times from the last table"
    )
    chosen = parser.parse_args()
    PICTURES.mkdir(parents=True, exist_ok=True)
    with worktree() as folder:
        for family in chosen.names or CHANGES:
            new = result(family, folder, again=not chosen.cached)
            figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
            if chosen.cached and family in figures:
                new["seconds"] = figures[family]["seconds"]
            figures[family] = new
            write_json(FIGURES, figures)
            write_table(figures)
            print(row(family, new), flush=True)


if __name__ == "__main__":
    main()
