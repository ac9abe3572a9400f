"""Every family of network on the demo's character: `python -m demo.families [NAME...]` writes the table and
the pictures of docs/networks.md.

Each is a `dvc repro` of this commit in a worktree of its own, with the cache of this one, so that only what
differs is made; what a family changes in params.yaml stands in CHANGES.
"""

import json
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
HEADER = "| family | changed in params.yaml | best | subject | prompt | base's subject | size | time |"

CHANGES: dict[str, Groups] = {
    "lora": {"network": {"dim": 16, "alpha": 16}},
    "locon": {"network": {"dim": 16, "alpha": 16, "conv_dim": 8, "conv_alpha": 8}},
    "loha": {"network": {"dim": 8, "alpha": 8}},
    "lokr": {"network": {"dim": 16, "alpha": 16}},
    "ia3": {"network": {}, "optimizer": {"lr": 3e-2, "text_encoder_lr": 1e-2}},
    "dylora": {"network": {"dim": 16, "alpha": 16}},
    "dora": {"network": {"dim": 16, "alpha": 16, "dora": True}},
    "embedding": {
        "network": {"words": ["zibbo"], "initial_text": "critter"},
        "optimizer": {"lr": 2e-2, "weight_decay": 0.0},
        "sample_grid": {"subject_tags": ["long ears", "round body"]},
    },
    "hypernetwork": {
        "network": {"activation": "relu", "weight_init": "XavierNormal"},
        "optimizer": {"lr": 5e-3},
        "sample_grid": {"weights": [1.0, 1.2, 1.5]},
    },
    "checkpoint": {"network": {}, "optimizer": {"lr": 2e-4, "text_encoder_lr": 0.0}},
}
"""What stands in params.yaml beside `use.network`; `dora` is a lora."""
OPTION = {"dora": "lora"}


def params_of(family: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """params.yaml of a run of the family: its option and its values, in place of all that stood in the
    network's group, beside what stood in others.
    """
    changes = CHANGES[family]
    groups = {name: {**params.get(name, {}), **values} for name, values in changes.items()}
    return {
        **params,
        **groups,
        "network": dict(changes["network"]),
        "use": {**params["use"], "network": OPTION.get(family, family)},
    }


@contextmanager
def worktree() -> Iterator[Path]:
    """This commit in a folder of its own, on this one's cache."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        _run(["git", "worktree", "add", "--quiet", "--detach", str(folder)], ROOT)
        try:
            cache = ROOT / ".dvc" / "cache"
            _run([sys.executable, "-m", "dvc", "cache", "dir", "--local", str(cache)], folder)
            yield folder
        finally:
            _run(["git", "worktree", "remove", "--force", str(folder)], ROOT)


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def result(family: str, folder: Path) -> dict[str, Any]:
    """Trains the family and draws its grid; the figures of the table."""
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(params_of(family, yaml.safe_load((ROOT / "params.yaml").read_text()))))
    started = time.monotonic()
    _run([sys.executable, "-m", "dvc", "repro", "sample-grid"], folder)
    seconds = time.monotonic() - started
    with Image.open(folder / "reports/sample-grid/grid.png") as grid:
        (PICTURES / f"{family}.webp").write_bytes(webp_thumbnail(grid, PICTURE_PX))
    scores = json.loads((folder / "metrics/sample_grid.json").read_text())
    file = json.loads((folder / "reports/sample-grid/choice.json").read_text())["file"]
    bytes_ = (folder / "models/network" / file).stat().st_size
    return {"base": scores["base"], "best": scores["best"], "bytes": bytes_, "seconds": round(seconds)}


def row(family: str, figures: Mapping[str, Any]) -> str:
    """A line of the table."""
    best, changes = (
        figures["best"],
        {
            f"{group}.{key}": value
            for group, values in CHANGES[family].items()
            for key, value in values.items()
        },
    )
    told = ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in changes.items()) or "nothing"
    return (
        f"| [{family}](networks/{family}.webp) | {told} | epoch {best['epoch']}, weight {best['weight']:g}"
        f" | {best['subject']:.0%} | {best['prompt']:.0%} | {figures['base']['subject']:.0%}"
        f" | {figures['bytes'] / 1000:.0f} kB | {figures['seconds'] // 60}:{figures['seconds'] % 60:02} |"
    )


def page_with(table: str, text: str) -> str:
    """The page with its table replaced."""
    before, _, rest = text.partition(TABLE_BEGINS)
    _, _, after = rest.partition(TABLE_ENDS)
    return f"{before}{TABLE_BEGINS}\n\n{table}\n\n{TABLE_ENDS}{after}"


def main() -> None:
    wanted = sys.argv[1:] or list(CHANGES)
    PICTURES.mkdir(parents=True, exist_ok=True)
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    with worktree() as folder:
        for family in wanted:
            figures[family] = result(family, folder)
            write_json(FIGURES, figures)
            print(row(family, figures[family]), flush=True)
    columns = HEADER.count("|") - 1
    rows = [row(family, figures[family]) for family in CHANGES if family in figures]
    table = "\n".join([HEADER, "|" + " --- |" * columns, *rows])
    write_text(PAGE, page_with(table, PAGE.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
