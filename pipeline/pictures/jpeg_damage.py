"""How strongly the 8x8 blocks of a JPEG show. Arithmetic on grey arrays [height, width] of 0-255, at the
picture's own size: a resized picture has no grid of 8 px.

A step across a line between pixels is compared with the steps to its left and right. On a block's edge the
excess is large on most lines of the grid; an edge of the motif is on few lines of it, so the median over a
grid's lines passes it over. (After Wang, Bovik and Evan 2000, Blind measurement of
blocking artifacts in images.)
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures.defects import Gray

GRID_PX = 8
WINDOW_PX = 1024
"""Side of the part in the middle that is looked at."""
MOST_STEP = 12
"""Grey levels from which a step counts no more: strong edges are the motif's."""
FEWEST_LINES = 6
"""Of a grid, in each direction."""


def blockiness(gray: Gray) -> float:
    """Grey levels by which the steps on one grid of 8 px exceed those elsewhere, the smaller of both
    directions; about 0 without JPEG, 1 at quality 75, 2 at 30, over 3 at 10. 0 for a small picture.
    """
    if min(gray.shape) < GRID_PX * FEWEST_LINES:
        return 0.0
    window = _middle(gray).astype(np.float32)
    return max(0.0, min(_excess(window), _excess(window.T)))


def _middle(gray: Gray) -> Gray:
    height, width = gray.shape
    top, left = max(0, (height - WINDOW_PX) // 2), max(0, (width - WINDOW_PX) // 2)
    return gray[top : top + WINDOW_PX, left : left + WINDOW_PX]


def _excess(levels: NDArray[np.float32]) -> float:
    """Of the vertical lines: the strongest of the eight grids over the second. (Over the median of the rest,
    pixels repeated twice would look like blocks.)
    """
    steps = np.abs(np.diff(levels, axis=1))
    over = steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2
    by_line = over.clip(-MOST_STEP, MOST_STEP).mean(axis=0)
    grids = np.array([np.median(by_line[first::GRID_PX]) for first in range(GRID_PX)])
    second, strongest = np.sort(grids)[-2:]
    return float(strongest - second)
