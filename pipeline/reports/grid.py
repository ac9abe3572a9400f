"""The grid page: every cell with its pictures and figures, and a large view that flips between two cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.reports.template import template

TEMPLATE = Path(__file__).with_name("grid.html.j2")
GRID_THUMBNAIL_PX = 320
LEGEND = {
    "subject": "share of pictures in which the tagger finds the whole subject",
    "prompt": "share of the prompt's other tags that the tagger finds",
    "clip": "CLIPScore: how well pictures fit their prompts, 0-100",
    "answers": "how likely the right answers to sample_grid.questions are",
    "identity": "likeness: similarity to the nearest picture that was held out of training, at most 1",
    "likeness": "mean similarity to all pictures held out of training",
    "nearest_training": "similarity to the nearest training picture; far above `identity`: learned by heart",
    "quality": "the aesthetic head's score, 0-1",
    "diversity": "mean difference between seeds of one prompt, 0-1; near 0: all pictures alike",
    "copies": "pictures that are near copies of a training picture",
    "nearest_bits": "bits of 64 by which the nearest training picture's hash differs",
    "nearest_distance": "root mean square difference from the nearest training picture, 0-1",
    "sharpness": "variance of the Laplacian: low is blurred",
    "colours": "effective number of colours, at most 512; near 1: collapsed",
    "clipped": "share of values at the limits of their range: burnt colours",
    "blank": "empty pictures: black, white or NaN",
}
FRACTIONS = ("subject", "prompt", "answers", "clipped")
LARGE_FIGURE = 100
"""From this value on, figures are shown without decimals."""
IN_CELLS = ("subject", "prompt", "clip", "answers", "identity", "quality", "copies", "blank")
"""Figures shown below a picture; the large view and the table have the others."""


@dataclass(frozen=True)
class PageCell:
    """A cell: its thumbnail as data URI, the file with its pictures side by side, and each picture's file."""

    label: str
    thumbnail: str
    image: str
    pictures: Sequence[str]
    span: int
    figures: Mapping[str, Any]
    is_best: bool = False

    def texts(self, names: Sequence[str] = tuple(LEGEND)) -> list[str]:
        return [
            f"{name.replace('_', ' ')} {shown(name, self.figures[name])}"
            for name in names
            if _is_shown(name, self.figures)
        ]


@dataclass(frozen=True)
class PageSheet:
    """Rows are (label, cells)."""

    label: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[PageCell]]]


def shown(name: str, value: Any) -> str:
    """A figure as text."""
    if value is None:
        return ""
    if name in FRACTIONS:
        return f"{value:.0%}"
    if isinstance(value, float) and abs(value) < LARGE_FIGURE:
        return f"{value:.3g}"
    return f"{value:.0f}"


def page(
    title: str,
    sheets: Sequence[PageSheet],
    ranking: Sequence[Mapping[str, Any]],
    settings: Sequence[tuple[str, Sequence[str]]],
    jobs: Sequence[str],
) -> str:
    """The HTML. `ranking`: rows of ranking.json; `settings`: settings that all cells share, each with its
    texts; `jobs`: a text for each picture of a cell, in order.
    """
    figures = [row["figures"] for row in ranking]
    known = [name for name in LEGEND if any(_is_shown(name, each) for each in figures)]
    return str(
        template(TEMPLATE).render(
            title=title,
            sheets=sheets,
            ranking=ranking,
            settings=settings,
            jobs=jobs,
            legend=[(name, LEGEND[name]) for name in known],
            in_cells=IN_CELLS,
            shown=shown,
            thumbnail_px=GRID_THUMBNAIL_PX,
        )
    )


def _is_shown(name: str, figures: Mapping[str, Any]) -> bool:
    """Hides unknown figures, and counts of defects that are 0."""
    return figures.get(name) is not None and (name not in ("copies", "blank") or bool(figures[name]))
