"""models/network/ -> reports/sample-grid/: pictures of the networks and of the base alone, by x, y and z.

In: models/network/, the base, data/cropped/ and the names of what was held out of it (for copies and
likeness), plots/train/validation.csv, the tagger, CLIP and the models of `vision` (to score). Out:
reports/sample-grid/{index.html,grid.png,grid.json,grid.csv,ranking.json,verdict.json,choice.json,cells/,
pictures/}, metrics/sample_grid.json, plots/sample-grid/scores.csv. Reads `base`, `tag`, `vision`,
`sample_grid`. Deterministic: noise by seed, from the CPU. Pictures and scores are cached by content, and the
layout is made each time: a new weight draws only its own cells, a new label none. Torch is loaded only to
draw a cell.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.command import run, start
from pipeline.config.recipes import RecipeContent, content_of_the_run, uses_network_of_the_run
from pipeline.drawing.named_files import NamedFiles
from pipeline.errors import UserError
from pipeline.files.atomic import new_folder, write_csv, write_json
from pipeline.files.safetensors_header import metadata_of
from pipeline.grid.asked import asked_of
from pipeline.grid.axes import Cell
from pipeline.grid.cell_store import CellStore
from pipeline.grid.choice import ranked
from pipeline.grid.drift import drift_cells
from pipeline.grid.manifest import (
    SCORE_COLUMNS,
    CellScores,
    by_place,
    cells_by_place,
    is_base_alone,
    score_rows,
    summary,
)
from pipeline.grid.merge_axes import Sweep
from pipeline.grid.places import places_of
from pipeline.grid.plan import Grid, plan
from pipeline.grid.report import write_report
from pipeline.grid.scorer import Scorer
from pipeline.networks.epochs import SUFFIX, epoch_files, network_file
from pipeline.progress import progress
from pipeline.prompts.settings import DrawingSettings, SecondPass
from pipeline.schemas import Config, SampleGridConfig
from pipeline.verdict.drift_scale import mean_scale
from pipeline.verdict.findings import findings
from pipeline.verdict.held_out_loss import HeldOutLoss, held_out_loss
from pipeline.verdict.measures import Place
from pipeline.verdict.rule import Judgement, judged
from pipeline.verdict.sentences import sentences
from pipeline.verdict.trigger import UnknownTrigger, unknown_trigger
from pipeline.verdict.verdict_file import verdict_content
from stages import CROPPED, HELD_OUT_FILE, NETWORKS

WITHOUT_NETWORK = "none"
VALIDATION_FILE = Path("plots/train/validation.csv")
"""Losses on held-out pictures, by epoch and noise band."""


def planned(config: Config, epochs: Mapping[int, Path]) -> Grid:
    """The grid of the configuration."""
    settings = config.sample_grid
    is_merged = settings.merge is not None and uses_network_of_the_run(recipe_of(settings))
    start_cell = Cell(
        checkpoint=None,
        network=None if is_merged else fixed_network(settings, epochs),
        merge=None if settings.merge is None else (),
        weight=settings.weight,
        blocks=None,
        prompts=tuple(settings.prompts),
        seeds=tuple(settings.seeds),
        settings=replace(DrawingSettings.of(settings, config.base), second_pass=second_pass(settings)),
    )
    return plan(settings, start_cell, epochs, NETWORKS)


def fixed_network(settings: SampleGridConfig, epochs: Mapping[int, Path]) -> Path | None:
    """The network of all cells; None if there is none or an axis varies it."""
    is_fixed = settings.network != WITHOUT_NETWORK and "network" not in (settings.x, settings.y, settings.z)
    return network_file(settings.network, epochs, NETWORKS) if is_fixed else None


def recipe_of(settings: SampleGridConfig) -> RecipeContent:
    """The grid's recipe; `compose` has read its file."""
    assert isinstance(settings.merge, dict)
    return settings.merge


def sweep(config: Config, epochs: Mapping[int, Path]) -> Sweep | None:
    """The recipe and step of merged cells, if any."""
    settings = config.sample_grid
    if settings.merge is None:
        return None
    recipe, network = recipe_of(settings), fixed_network(settings, epochs)
    if uses_network_of_the_run(recipe) and network is None:
        raise UserError("sample_grid.merge uses `network`, but sample_grid.network is none; name the network")
    content = content_of_the_run(recipe, config.base.path, network, "sample_grid.merge")
    return Sweep(content, settings.merge_step)


def second_pass(settings: SampleGridConfig) -> SecondPass | None:
    if settings.second_pass_upscaler is None:
        return None
    return SecondPass(
        upscaler=settings.second_pass_upscaler,
        scale=settings.second_pass_scale,
        steps=settings.second_pass_steps,
        strength=settings.second_pass_strength,
    )


def store_of(config: Config, epochs: Mapping[int, Path]) -> CellStore:
    """The store of the cells' pictures."""
    files = NamedFiles([Path(each) for each in config.sample_grid.prompt_networks])
    return CellStore(config.base, files, sweep(config, epochs))


def fill(store: CellStore, cells: Sequence[Cell], model_offload: bool) -> None:
    """Draws missing cells; loads torch only if there are any."""
    if not (missing := store.missing(cells)):
        return
    from pipeline.grid.renderer import GridRenderer

    renderer = GridRenderer(store.files, store.sweep, model_offload)
    for cell in progress(missing, "sample-grid"):
        store.fill(cell, renderer.draw)


def read_held_out() -> list[str]:
    """Ids of the pictures that the training did not see; none for networks from elsewhere."""
    if not HELD_OUT_FILE.exists():
        return []
    return [str(each) for each in json.loads(HELD_OUT_FILE.read_text(encoding="utf-8"))]


def read_losses() -> HeldOutLoss | None:
    """On held-out pictures, by epoch; None for networks from elsewhere. A damaged file is a user error."""
    if not VALIDATION_FILE.exists():
        return None
    try:
        with VALIDATION_FILE.open(encoding="utf-8", newline="") as file:
            return held_out_loss(csv.DictReader(file))
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(
            f"{VALIDATION_FILE} is damaged ({type(error).__name__}: {error}); fetch it again with"
            f" `dvc checkout {VALIDATION_FILE.parent}`, or make it again with `dvc repro -f train`"
        ) from None


def trigger_of(place: Place | None, scores: CellScores, epochs: Mapping[Path, int]) -> UnknownTrigger | None:
    """Whether the place's prompts begin with words that its network has not learned."""
    if place is None or place.file is None or place.file.suffix != SUFFIX:
        return None
    cells = cells_by_place(scores, epochs).get((place.file, place.epoch, place.weight), [])
    prompts = dict.fromkeys(prompt for cell in cells for prompt in asked_of(cell))
    return unknown_trigger([*prompts], metadata_of(place.file))


def answered(scorer: Scorer, grid: Grid, judgement: Judgement, epochs: Mapping[Path, int]) -> dict[str, Any]:
    """What verdict.json says of the questions, if there are any."""
    best, places = judgement.proposed, cells_by_place(grid.cells, epochs)
    proposed = places.get((best.file, best.epoch, best.weight), []) if best and best.file else []
    return scorer.answers.content(proposed, [cell for cell in grid.cells if is_base_alone(cell)])


def main(arguments: Sequence[str] = ()) -> None:
    job = start("sample-grid", arguments)
    epochs = epoch_files(NETWORKS)
    grid, losses = planned(job.config, epochs), read_losses()
    store = store_of(job.config, epochs)
    drifts = drift_cells(grid.cells, job.config.sample_grid.drift_prompts)
    fill(store, [*grid.cells, *drifts], job.config.sample_grid.model_offload)
    scorer = Scorer(job.config, store, CROPPED, read_held_out())
    num_held_out = len(scorer.eye.unseen)
    scores: CellScores = scorer.scored(grid.cells)
    drifted = {cell: scorer.drifted(cell, alone) for cell, alone in drifts.items()}
    by_file = {file: epoch for epoch, file in epochs.items()}
    every, base = places_of(scores, drifted, by_file)
    alone = dict.fromkeys(drifts.values())
    scale = mean_scale([each for cell in alone if (each := scorer.eye.drift_scale(cell))])
    judgement = judged(every, base, scorer.eye.ceiling, scale, losses)
    places = by_place(scores, by_file)
    ranking = ranked(places, judgement)
    said = sentences(judgement, base, len(job.config.sample_grid.seeds), num_held_out)
    trigger = trigger_of(judgement.proposed, scores, by_file)
    found = findings(judgement, base, scale, trigger, losses, scorer.eye.ceiling)
    content = verdict_content(judgement, base, said, num_held_out, found, scale, losses)
    with new_folder(job.out / "reports/sample-grid") as folder:
        write_report(folder, job.config.sample_grid, grid, store, scores, by_file, ranking)
        write_json(folder / "verdict.json", content | answered(scorer, grid, judgement, by_file))
    write_json(job.out / "metrics/sample_grid.json", summary(scores, ranking, places))
    write_csv(job.out / "plots/sample-grid/scores.csv", SCORE_COLUMNS, score_rows(grid, scores, by_file))


if __name__ == "__main__":
    run(main)
