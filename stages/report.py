"""All stages' outputs -> reports/index.html: the run on one page, for choosing a file.

In: reports/recipe.json, metrics/, plots/train/, reports/training/, data/cropped/, plots/filter-tags/kept.csv,
reports/sample-grid/, data/votes.yaml, models/network/, models/merged/. Out: reports/index.html with inlined
pictures and links to the other pages; metrics/run.json, the few figures that `dvc metrics show` prints. Reads
`base`, `network`, `train`, `merge`. Deterministic: depends only on its inputs. A separate stage, because it
covers all others: a changed figure reruns only the page.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.bases.prediction import MODELSPEC_KEY, learned_zero_snr
from pipeline.bases.registry import families, family_named
from pipeline.command import run, start
from pipeline.files.atomic import write_json, write_text
from pipeline.files.safetensors_header import metadata_of
from pipeline.reports.run.charts import charts
from pipeline.reports.run.dataset_view import dataset_view
from pipeline.reports.run.files import family_of, merged_files, network_files
from pipeline.reports.run.four_pictures import four_pictures
from pipeline.reports.run.grid_view import infotext, pairs, proposed_cells, rows, shown_four
from pipeline.reports.run.interval_chart import interval_charts
from pipeline.reports.run.page import Story, page
from pipeline.reports.run.peoples_verdict import PeoplesVerdict, peoples_verdict
from pipeline.reports.run.proposal import Proposal
from pipeline.reports.run.verdict import verdict
from pipeline.schemas import Config, EmbeddingConfig
from pipeline.votes.grid_places import GRID_FILE, grid_name, places_of, votes_on
from pipeline.votes.vote_file import cast_votes, read_votes
from stages import CROPPED, NETWORKS

MERGED, GRID = Path("models/merged"), Path("reports/sample-grid")
REPORT_FILE, RUN_FIGURES = Path("reports/index.html"), Path("metrics/run.json")
METRICS = ("collect", "crop", "tag", "filter_tags", "class_images", "train", "sample_grid", "merge")


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def proposal_of(config: Config, grid: Any, best: Any, cells: Sequence[Any], merged: Path | None) -> Proposal:
    """The proposed file and how to use it; at weight 1 if the grid did not draw it."""
    settings, network = grid["settings"], config.network
    cell = cells[0] if cells else grid["cells"][0]
    first = cell["pictures"][0]
    file = read(GRID / "choice.json")["file"]
    header = metadata_of(NETWORKS / file) if file.endswith(".safetensors") else {}
    weight = best["weight"] if best else cell["weight"] if cells else 1.0
    return Proposal(
        kind=network.name,
        family=family_of(network.name),
        path=NETWORKS / file,
        weight=weight,
        words=network.words if isinstance(network, EmbeddingConfig) else (),
        base=config.base.model_dump(),
        facts=families()[config.base.family] if config.base.family else family_named(header),
        merged=merged,
        prompt=first["prompt"],
        negative_prompt=cell["negative_prompt"],
        seed=first["seed"],
        sampler=cell["sampler"],
        steps=cell["steps"],
        guidance=cell["guidance"],
        width=cell["width"],
        height=cell["height"],
        clip_skip=cell["clip_skip"],
        infotext=infotext(GRID / first["file"]) if cells else "",
        is_plain=not getattr(network, "dora", False),
        second_steps=settings["second_pass_steps"] if settings["second_pass_upscaler"] else 0,
        guidance_rescale=settings["guidance_rescale"],
        predicts_v=header.get(MODELSPEC_KEY) == "v",
        has_zero_snr=learned_zero_snr(header),
    )


def story(config: Config) -> Story:
    """Everything on the page."""
    metrics = {name: read(Path("metrics") / f"{name}.json") for name in METRICS}
    plan, findings = read(Path("reports/training/plan.json")), read(Path("reports/training/doctor.json"))
    names = ("grid", "ranking", "choice", "verdict")
    grid, ranking, file, measured = (read(GRID / f"{name}.json") for name in names)
    best, drawn = ranking[0] if ranking else None, metrics["sample_grid"]
    cells = proposed_cells(grid, file["file"], best["weight"] if best else None)
    merged = merged_files(MERGED, _merge_description(config, metrics["merge"]))
    is_folder = bool(merged) and merged[0].path.parent != MERGED
    folder = MERGED / merged[0].path.relative_to(MERGED).parts[0] if is_folder else None
    checkpoint = folder or (merged[0].path if merged else None)
    people = votes_of_people(grid, file["file"], best["weight"] if best else None)
    family, four = family_of(config.network.name), four_pictures(grid, ranking, measured, people.leader)
    return Story(
        name=config.train.name,
        config=config.values(),
        metrics=metrics,
        plan=plan,
        findings=findings,
        recipe=read(Path("reports/recipe.json")),
        verdict=verdict(
            best, drawn.get("base"), findings, drawn["pictures"] / drawn["cells"], metrics["train"], measured
        ),
        four=shown_four(four, GRID),
        votes=people.sentences,
        questions=measured.get("questions", ()),
        titles={each["name"]: each["title"] for each in measured["measures"]},
        proposal=proposal_of(config, grid, best, cells, checkpoint),
        ranking=ranking,
        pairs=pairs(grid, cells, GRID, four),
        rows=rows(grid, cells, GRID),
        charts=charts(Path("plots/train")),
        dataset=dataset_view(CROPPED, Path("plots/filter-tags/kept.csv"), metrics),
        files=[*network_files(NETWORKS, family, file["file"]), *merged],
        intervals=interval_charts(measured, ranking),
        is_merged_unlike=bool(merged) and _is_unlike(config, file["file"], best, metrics["merge"]),
        voted_place=metrics["merge"].get("place", "") if merged else "",
    )


def votes_of_people(grid: Any, file: str, weight: float | None) -> PeoplesVerdict:
    """What the votes on this very grid say of the proposed place. Those on other grids do not count; their
    number is said, since another title or another measure makes another grid.
    """
    places = places_of(grid)
    entries = read_votes()
    votes = votes_on(places, grid_name(GRID_FILE.read_bytes()), entries)
    return peoples_verdict(places, votes, file, weight, len(cast_votes(entries)) - len(votes))


def _merge_description(config: Config, facts: Any) -> str:
    if "network" in facts:
        return f"the base with {facts['network']} at {config.merge.alpha:g} baked in"
    return "made by merge.recipe"


def _is_unlike(config: Config, file: str, best: Any, facts: Any) -> bool:
    """Whether the merge used another file or weight than proposed."""
    if facts.get("network") is None or best is None:
        return False
    return bool(facts["network"] != file or config.merge.alpha != best["weight"])


def figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of the proposed cell and of the base alone, for one line of `dvc metrics show`."""
    drawn, base = metrics["sample_grid"].get("best") or {}, metrics["sample_grid"].get("base") or {}
    values = {name: drawn.get(name) for name in ("epoch", "weight", "subject", "prompt")}
    values |= {"base_subject": base.get("subject"), "loss": metrics["train"].get("loss_last_epoch")}
    return {name: value for name, value in values.items() if value is not None}


def main(arguments: Sequence[str] = ()) -> None:
    job = start("report", arguments)
    report = story(job.config)
    write_text(job.out / REPORT_FILE, page(report))
    write_json(job.out / RUN_FIGURES, figures(report.metrics))


if __name__ == "__main__":
    run(main)
