"""The grid on one page: every place with its pictures and figures, and a view that flips between two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.reports.template import template

TEMPLATE = Path(__file__).with_name("grid.html.j2")
THUMBNAIL_PX = 320
LEGEND = {
    "subject": "share of pictures in which the tagger finds the whole subject",
    "prompt": "share of the prompt's other tags that the tagger finds",
    "clip": "CLIPScore: how well pictures fit their prompts, 0-100",
    "diversity": "mean difference between seeds of one prompt, 0-1; near 0: all alike",
    "copies": "pictures that are near copies of a training picture",
    "nearest_bits": "bits of 64 by which the nearest training picture's hash differs",
    "nearest_distance": "root mean square difference from the nearest training picture, 0-1",
    "sharpness": "variance of the Laplacian: low is blurred",
    "colours": "number of colours that would fill the picture evenly, at most 512; near 1: collapsed",
    "clipped": "share of values at the end of their range: burnt colours",
    "blank": "pictures that show nothing: black, white or NaN",
}
SHARES = ("subject", "prompt", "clipped")
LARGE = 100
"""From here on a figure is shown without a fraction."""
IN_CELLS = ("subject", "prompt", "clip", "copies", "blank")
"""Figures that stand below a picture; the others are in its view and in the table."""


@dataclass(frozen=True)
class PageCell:
    """A place: its thumbnail as data URI, the file with its pictures side by side, and each picture's own."""

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
            if _told(name, self.figures)
        ]


@dataclass(frozen=True)
class PageSheet:
    """Rows are (label, cells)."""

    label: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[PageCell]]]


def shown(name: str, value: Any) -> str:
    """A figure as people read it."""
    if value is None:
        return ""
    if name in SHARES:
        return f"{value:.0%}"
    if isinstance(value, float) and abs(value) < LARGE:
        return f"{value:.3g}"
    return f"{value:.0f}"


def page(
    title: str,
    sheets: Sequence[PageSheet],
    ranking: Sequence[Mapping[str, Any]],
    settings: Sequence[tuple[str, Sequence[str]]],
    jobs: Sequence[str],
) -> str:
    """The HTML. `ranking`: rows of ranking.json; `settings`: what all cells share, each with its
    texts; `jobs`: a text for each
    picture of a cell, in order.
    """
    figures = [row["figures"] for row in ranking]
    known = [name for name in LEGEND if any(_told(name, each) for each in figures)]
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
            thumbnail_px=THUMBNAIL_PX,
        )
    )


def _told(name: str, figures: Mapping[str, Any]) -> bool:
    """What is unknown is left out; so is that nothing is wrong."""
    return figures.get(name) is not None and (name not in ("copies", "blank") or bool(figures[name]))
