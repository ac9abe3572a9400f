"""How many of the project's files one cell of a grid, and one recipe, pass through.

Counted: each file of pipeline/ and stages/ of which a function runs, in any thread, but not while a module
is imported. A cell is followed from the plan of its grid to its PNG on disk, after a first cell:
its base and network are loaded, the store and the files that prompts may call are open, as for all cells of a
grid but the first. A recipe is followed from the stage's call to the merged file; nothing is open before. The
frame is what every command runs in: config/, files/, the command, its progress, its errors.

`pytest tests/house/test_ways.py -s` prints the files.
"""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

from pipeline.bases.save import file_tensors
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.files.safetensors_file import write_safetensors
from pipeline.grid.cell_store import CellStore
from pipeline.grid.renderer import GridRenderer
from pipeline.grid.report import write_pngs
from pipeline.schemas import Config
from pipeline.store.known_hashes import sha256_of_model
from stages import merge, sample_grid
from tests.conftest import ROOT
from tests.pipeline.drawing.demo_base import demo_base
from tests.pipeline.drawing.lora_files import write_lora

FRAME = tuple(f"pipeline/{name}" for name in ("config/", "files/", "command.py", "errors.py", "progress.py"))
MOST_OF_A_CELL, MOST_OF_A_RECIPE = 36, 35
"""What is reached; the aim is 25 and 12. Twenty of a recipe's recognise the base, each family by names of its
own, and find out what it predicts, so that its markers are right. Four of a cell's are its plan's; two ask
whether a third text encoder and a flow are there.
"""
pytestmark = pytest.mark.usefixtures("root")


def way(what: str, act: Callable[[], Any]) -> list[str]:
    """Files whose functions run in `act`, but for the frame; all are printed."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_name != "<module>":
            found.add(code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    roots = [ROOT / "pipeline", ROOT / "stages"]
    files = [Path(file) for file in found]
    names = sorted(
        file.relative_to(ROOT).as_posix()
        for file in files
        if any(file.is_relative_to(root) for root in roots)
    )
    inside = [name for name in names if not name.startswith(FRAME)]
    print(f"\n{what}: {len(inside)} files; {len(names)} with the frame", *names, sep="\n  ")
    return inside


def configured(weight: float) -> Config:
    """A grid of the demo's base, alone and with each epoch of a training."""
    values = {
        "prompts": ["zibbo, night"], "seeds": [1], "steps": 2, "resolution": 64, "weights": [weight],
    }  # fmt: skip
    named = {f"sample_grid.{name}": value for name, value in values.items()}
    config = check(compose(Params({"base": "tiny", "network": "lora"}, named)))
    digest = sha256_of_model(Path(config.base.path))  # as the command `compose` writes it
    locked = config.base.model_copy(update={"sha256": digest})
    return config.model_copy(update={"base": locked})


def test_the_way_of_a_cell(tmp_path: Path) -> None:
    epochs = {1: write_lora(tmp_path / "net-000001.safetensors", demo_base(), 0)}
    store = CellStore(configured(1.0).base)
    renderer = GridRenderer(store.files)

    def follow(config: Config) -> None:
        grid = sample_grid.planned(config, epochs)
        cells = [cell for cell in grid.cells if cell.network]
        assert store.missing(cells) == cells
        for cell in cells:
            store.fill(cell, renderer.draw)
            write_pngs(tmp_path / "report", cell, f"{cell.weight}", store)

    first, second = configured(1.0), configured(0.5)
    way("first cell, with all that is loaded for it", lambda: follow(first))
    assert len(way("cell", lambda: follow(second))) <= MOST_OF_A_CELL
    assert len([*tmp_path.glob("report/pictures/*.png")]) == 2


def test_the_way_of_a_recipe(tmp_path: Path) -> None:
    """Two checkpoints as others publish them, without a header of ours."""
    tensors = {name: value.clone() for name, value in file_tensors(demo_base(), torch.float32).items()}
    for name in ("a", "b"):
        write_safetensors(tmp_path / f"{name}.safetensors", tensors, {})
    content = {
        "inputs": {name: {"path": str(tmp_path / f"{name}.safetensors")} for name in ("a", "b")},
        "merge": {"method": "weighted_sum", "a": "a", "b": "b", "alpha": 0.3},
    }
    config = configured(1.0)
    files = way("recipe", lambda: merge.merge_by_recipe(config, content, tmp_path / "merged"))
    assert len(files) <= MOST_OF_A_RECIPE
    assert (tmp_path / "merged.safetensors").is_file()
