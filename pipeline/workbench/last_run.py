"""What the last run's outputs say: the report's verdict with its pictures, the proposed file and its own."""

import json
from pathlib import Path
from typing import Any

from pipeline.reports.run.four_pictures import four_pictures
from pipeline.reports.run.verdict import verdict
from pipeline.workbench.gate import handle_of
from pipeline.workbench.grid import SAMPLE_GRID, SampleGrid

METRICS_FOLDER, FINDINGS = Path("metrics"), Path("reports/training/doctor.json")
_JUDGED = ("grid", "ranking", "verdict")
CHOSEN = SAMPLE_GRID / "choice.json"
MOST_SENTENCES = 4


def last_verdict() -> dict[str, Any] | None:
    """`kind`, `word`, `sentences`; None before the first grid, or if a file is not as the stages write it."""
    try:
        ranking, drawn = _read(SAMPLE_GRID / "ranking.json"), _read(METRICS_FOLDER / "sample_grid.json")
        findings = _read(FINDINGS) if FINDINGS.exists() else []
        train = _read(METRICS_FOLDER / "train.json")
        measured = _read(SAMPLE_GRID / "verdict.json")
        best, per_cell = ranking[0] if ranking else None, drawn["pictures"] / drawn["cells"]
        said = verdict(best, drawn.get("base"), findings, per_cell, train, measured)
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None
    sentences = [*said.said, *said.faults, *said.evidence][:MOST_SENTENCES]
    return {"kind": said.kind, "word": said.word, "sentences": sentences}


def compared(grid: SampleGrid, found: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The verdict's four pictures, as the report shows them; none before there is a verdict. `found`: what
    `proposed` returns.
    """
    if found is None:
        return []
    from pipeline.reports.run.peoples_verdict import peoples_verdict  # loads numpy

    try:
        content, ranking, measured = (_read(SAMPLE_GRID / f"{name}.json") for name in _JUDGED)
        voted = peoples_verdict(grid.places, grid.votes(), found["file"], found["weight"]).leader
        four = four_pictures(content, ranking, measured, voted)
    except (OSError, ValueError, LookupError, TypeError, StopIteration):
        return []
    return [
        {"role": each.role, "place": each.place, "notes": list(each.notes),
         "picture": handle_of(grid.name, str(SAMPLE_GRID / each.file))}
        for each in (four.pictures if four else ())
    ]  # fmt: skip


def proposed(grid: SampleGrid) -> dict[str, Any] | None:
    """The file of choice.json, its weight, and its place's pictures, each prompt once before the next
    seed; None before the first grid."""
    try:
        file = str(_read(CHOSEN)["file"])
        ranking = _read(SAMPLE_GRID / "ranking.json")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    weight = ranking[0]["weight"] if ranking and ranking[0]["file"] == file else None
    places = [
        (place, row)
        for place, row in zip(grid.places, grid.rows, strict=True)
        if place.network == file and place.is_plain and weight in (None, place.weight)
    ]
    if not places:
        return {"file": file, "weight": weight, "place": "", "pictures": []}
    place, row = max(places, key=lambda pair: pair[0].weight)
    by_seed = sorted(row["pictures"].items(), key=lambda item: grid.seeds.index(int(item[0].split("-")[1])))
    pictures = [handle for _, handle in by_seed]
    return {"file": file, "weight": place.weight, "place": place.label, "pictures": pictures}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
