"""models/network/ -> reports/sample-grid/: what the networks draw, laid out along x, y and z, beside the base
alone.

In: models/network/, the base, data/cropped/ (to tell copies), the tagger and CLIP (to score). Out:
reports/sample-grid/{index.html,grid.png,grid.json,grid.csv,ranking.json,choice.json,cells/,pictures/},
metrics/sample_grid.json, plots/sample-grid/scores.csv. Reads `base`, `tag`, `sample_grid`. Deterministic:
noise by seed, from the CPU. Pictures and scores are kept by content, the layout is made anew: another weight
draws only its own cells, another label none, and without a cell to draw no torch is loaded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.command import run, start
from pipeline.config.recipes import Content, content_of_the_run, uses_network_of_the_run
from pipeline.config.schemas import Config, SampleGrid
from pipeline.drawing.named_files import NamedFiles
from pipeline.errors import UserError
from pipeline.files.atomic import new_folder, write_csv, write_json
from pipeline.grid.axes import Cell
from pipeline.grid.cell_store import CellStore
from pipeline.grid.choice import ranked
from pipeline.grid.manifest import SCORE_COLUMNS, Scores, by_place, is_base_alone, score_rows, summary
from pipeline.grid.merge_axes import Sweep
from pipeline.grid.plan import Grid, plan
from pipeline.grid.report import write_report
from pipeline.grid.scorer import Scorer
from pipeline.networks.epochs import epoch_files, network_file
from pipeline.progress import progress
from pipeline.prompts.settings import SecondPass, Settings

NETWORKS, CROPPED = Path("models/network"), Path("data/cropped")
NO_NETWORK = "none"


def planned(config: Config, epochs: Mapping[int, Path]) -> Grid:
    """The grid that the configuration asks for."""
    wanted = config.sample_grid
    is_merged = wanted.merge is not None and uses_network_of_the_run(recipe_of(wanted))
    start_cell = Cell(
        checkpoint=None,
        network=None if is_merged else fixed_network(wanted, epochs),
        merge=None if wanted.merge is None else (),
        weight=wanted.weight,
        blocks=None,
        prompts=tuple(wanted.prompts),
        seeds=tuple(wanted.seeds),
        settings=replace(Settings.of(wanted, config.base), second_pass=second_pass(wanted)),
    )
    return plan(wanted, start_cell, epochs, NETWORKS)


def fixed_network(wanted: SampleGrid, epochs: Mapping[int, Path]) -> Path | None:
    """The network of every cell; None where there is none, or an axis varies it."""
    is_fixed = wanted.network != NO_NETWORK and "network" not in (wanted.x, wanted.y, wanted.z)
    return network_file(wanted.network, epochs, NETWORKS) if is_fixed else None


def recipe_of(wanted: SampleGrid) -> Content:
    """The grid's recipe; `compose` has read its file."""
    assert isinstance(wanted.merge, dict)
    return wanted.merge


def sweep(config: Config, epochs: Mapping[int, Path]) -> Sweep | None:
    """What merged cells are made of."""
    wanted = config.sample_grid
    if wanted.merge is None:
        return None
    recipe, network = recipe_of(wanted), fixed_network(wanted, epochs)
    if uses_network_of_the_run(recipe) and network is None:
        raise UserError("sample_grid.merge uses `network`, but sample_grid.network is none; name the network")
    content = content_of_the_run(recipe, config.base.path, network, "sample_grid.merge")
    return Sweep(content, wanted.merge_step)


def second_pass(wanted: SampleGrid) -> SecondPass | None:
    if wanted.second_pass_upscaler is None:
        return None
    return SecondPass(
        upscaler=wanted.second_pass_upscaler,
        scale=wanted.second_pass_scale,
        steps=wanted.second_pass_steps,
        strength=wanted.second_pass_strength,
    )


def store_of(config: Config, epochs: Mapping[int, Path]) -> CellStore:
    """Where the cells' pictures are kept."""
    files = NamedFiles([Path(each) for each in config.sample_grid.prompt_networks])
    return CellStore(config.base, files, sweep(config, epochs))


def fill(store: CellStore, grid: Grid) -> None:
    """Draws what is missing; torch is loaded only if something is."""
    if not (missing := store.missing(grid.cells)):
        return
    from pipeline.grid.renderer import GridRenderer

    renderer = GridRenderer(store.files, store.sweep)
    for cell in progress(missing, "sample-grid"):
        store.fill(cell, renderer.draw)


def main(arguments: Sequence[str] = ()) -> None:
    job = start("sample-grid", arguments)
    epochs = epoch_files(NETWORKS)
    grid = planned(job.config, epochs)
    store = store_of(job.config, epochs)
    fill(store, grid)
    scores: Scores = Scorer(job.config, store, CROPPED).scored(grid.cells)
    by_file = {file: epoch for epoch, file in epochs.items()}
    places = by_place(scores, by_file)
    ranking = ranked(places, [scored for cell, scored in scores.items() if is_base_alone(cell)])
    with new_folder(job.out / "reports/sample-grid") as folder:
        write_report(folder, job.config.sample_grid, grid, store, scores, by_file, ranking)
    write_json(job.out / "metrics/sample_grid.json", summary(scores, ranking, places))
    write_csv(job.out / "plots/sample-grid/scores.csv", SCORE_COLUMNS, score_rows(grid, scores, by_file))


if __name__ == "__main__":
    run(main)
