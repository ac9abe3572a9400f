"""The curves of a training, from plots/train/."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from pipeline.reports.run.curves import Chart, CurveLine, CurvePoint, Drawn, drawn, smoothed

WINDOW_FRACTION = 0.04
"""Fraction of all steps that the smooth loss curve averages."""
LOSS_SIDES = {"held_out": "held-out pictures", "train": "training pictures"}

CsvRows = Sequence[Mapping[str, str]]


def charts(folder: Path) -> list[Drawn]:
    """The charts that have data."""
    loss, norms, measured = (_rows(folder / f"{name}.csv") for name in ("loss", "norms", "validation"))
    every = [_loss(loss), _validation(measured), _rates(loss), *_norms(norms)]
    return [done for chart in every if (done := drawn(chart))]


def _rows(path: Path) -> CsvRows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _points(rows: CsvRows, name: str) -> list[CurvePoint]:
    """Empty without such a column."""
    return [(float(row["step"]), float(row[name])) for row in rows if row.get(name)]


def _loss(rows: CsvRows) -> Chart:
    points = _points(rows, "loss")
    smooth = smoothed(points, max(1, round(WINDOW_FRACTION * len(points))))
    note = "Each step's loss depends on its noise level; the line is the mean of the last steps."
    return Chart(
        "Training loss", note, [CurveLine("each step", points, faint=True), CurveLine("mean", smooth)]
    )


def _validation(rows: CsvRows) -> Chart:
    lines = []
    for side, name in LOSS_SIDES.items():
        heights: dict[float, list[float]] = {}
        for row in rows:
            if row["side"] == side:
                heights.setdefault(float(row["step"]), []).append(float(row["loss"]))
        if heights:
            lines.append(CurveLine(name, [(step, fmean(losses)) for step, losses in heights.items()]))
    note = "Always the same noise, so that points can be compared; step 0 is the base alone."
    return Chart("Loss on fixed noise", note, lines)


def _rates(rows: CsvRows) -> Chart:
    parts = {"lr": "network", "text_encoder_lr": "text encoder", "text_encoder_2_lr": "second text encoder"}
    lines = [CurveLine(name, _points(rows, column)) for column, name in parts.items()]
    note = "The optimiser's learning rates at each step."
    return Chart("Learning rates", note, [line for line in lines if any(y for _, y in line.points)])


def _norms(rows: CsvRows) -> list[Chart]:
    note = "Before clipping."
    ratio = "Norm of an update divided by that of the weights."
    return [
        Chart(
            "Norm of the gradient", note, [CurveLine("gradient", _points(rows, "gradient_norm"))], log=True
        ),
        Chart("Updates over weights", ratio, [CurveLine("update", _points(rows, "update_ratio"))], log=True),
    ]
