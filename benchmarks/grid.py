"""A grid relative to the sum of its denoiser calls: `python -m benchmarks.grid [--steps 20] [--epochs 5]`.

Draws five epochs x five weights x four seeds on the demo's base into an empty store, judges them without a
tagger, and lays them out. Times each call of the U-Net in the same run; the rest is networks, prompts,
decoding, PNGs, figures and the page.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pipeline.bases.base import Base
from pipeline.bases.load import load_base
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.files.safetensors_file import write_safetensors
from pipeline.grid import renderer as cells_module
from pipeline.grid.axes import Cell
from pipeline.grid.cell_store import CellStore
from pipeline.grid.choice import ranked
from pipeline.grid.manifest import by_place
from pipeline.grid.places import places_of
from pipeline.grid.plan import Grid, plan
from pipeline.grid.renderer import GridRenderer
from pipeline.grid.report import write_report
from pipeline.grid.scorer import Scorer
from pipeline.networks.families import create
from pipeline.pictures.records import write_records
from pipeline.prompts.settings import DrawingSettings
from pipeline.schemas import Config
from pipeline.typed_numbers import whole_number
from pipeline.verdict.rule import judged


class Clock:
    """Seconds spent in a function's calls."""

    def __init__(self) -> None:
        self.seconds, self.calls = 0.0, 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments, **options)
            self.seconds += time.perf_counter() - started
            self.calls += 1
            return result

        return timed


def configuration(steps: int) -> Config:
    values = {
        "network.dim": 16,
        "network.alpha": 8.0,
        "tag.model": None,
        "sample_grid.prompts": ["a critter, meadow"],
        "sample_grid.seeds": [1, 2, 3, 4],
        "sample_grid.weights": [0.4, 0.6, 0.8, 1.0, 1.2],
        "sample_grid.resolution": 128,
        "sample_grid.steps": steps,
    }
    return check(compose(Params({}, values)))


def write_networks(config: Config, base: Base, folder: Path, number: int) -> dict[int, Path]:
    """Fresh networks as epoch files."""
    epochs = {epoch: folder / f"net-{epoch:06}.safetensors" for epoch in range(1, number + 1)}
    for epoch, file in epochs.items():
        write_safetensors(file, create(config.network, base, seed=epoch).file_tensors("fp16"), {})
    return epochs


def the_grid(config: Config, epochs: dict[int, Path], folder: Path) -> Grid:
    group = config.sample_grid
    start = Cell(
        checkpoint=None,
        network=None,
        weight=group.weight,
        blocks=None,
        prompts=tuple(group.prompts),
        seeds=tuple(group.seeds),
        settings=DrawingSettings.of(group, config.base),
    )
    return plan(group, start, epochs, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=whole_number(1), default=20)
    parser.add_argument("--epochs", type=whole_number(1), default=5)
    chosen = parser.parse_args()
    config = configuration(chosen.steps)
    base, clock = load_base(config.base), Clock()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["ATHANOR_STORE"] = str(folder / "store")
        epochs = write_networks(config, base, folder, chosen.epochs)
        write_records(folder, [])
        grid = the_grid(config, epochs, folder)
        base.denoiser.forward = clock.around(base.denoiser.forward)
        patch.object(
            cells_module, "base_to_draw", return_value=base
        ).start()  # loading the base does not count
        started = time.perf_counter()
        store, renderer = CellStore(config.base), GridRenderer()
        for cell in store.missing(grid.cells):
            store.fill(cell, renderer.draw)
        drawn = time.perf_counter() - started
        scores = Scorer(config, store, folder).scored(grid.cells)
        by_file = {file: epoch for epoch, file in epochs.items()}
        ranking = ranked(by_place(scores, by_file), judged(*places_of(scores, {}, by_file)))
        write_report(folder / "report", config.sample_grid, grid, store, scores, by_file, ranking)
        whole = time.perf_counter() - started
    pictures = sum(len(cell.jobs) for cell in grid.cells)
    print(
        f"{pictures} pictures in {len(grid.cells)} cells, {clock.calls} denoiser calls: {clock.seconds:.1f} s"
    )
    print(f"drawn in {drawn:.1f} s: ratio {drawn / clock.seconds:.3f}")
    print(f"drawn, scored and laid out in {whole:.1f} s: ratio {whole / clock.seconds:.3f}")


if __name__ == "__main__":
    main()
