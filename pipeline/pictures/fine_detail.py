"""Whether a picture has the finest detail that its size can hold: one that was enlarged has none. Arithmetic
on grey arrays [height, width] of 0-255, at the picture's own size.

Enlarging by a factor s leaves the spectrum empty above 1/s of the highest frequency (Nyquist), but for a
little that the interpolation leaves. Photographs and drawings of their own size go on to the end.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures.defects import TILES, Gray

_TILE_PX = 512
"""The sharpest of 3x3 tiles decides, as for blur."""
COARSE, FINE = 0.2, 0.8
"""Fractions of the highest frequency: detail above the first, and above the second, which enlarging by 1.3 or
more empties.
"""
REPEATS = (2, 3, 4, 8)
LEAST_STEPS, MOST_STEPS_OFF = 0.02, 0.001
"""Fractions of pixels that differ from the next, on the grid and off it."""
LEAST_COARSE = 1.0
"""Grey levels (root mean square) of detail that a tile must have: a plain ground says nothing."""


def fine_detail(gray: Gray) -> float:
    """Fine over coarse detail, 0 to 1. Enlarged twice: under 0.08 (bilinear to Lanczos); 20 photographs of
    their own size: over 0.1. 1 if the picture is too plain to say.
    """
    if any(is_repeated(gray, times) for times in REPEATS):
        return 0.0
    found = [_details(tile) for tile in _tiles(gray)]
    coarse, fine = max(found, key=lambda pair: pair[1], default=(0.0, 0.0))
    return 1.0 if coarse < LEAST_COARSE else fine / coarse


def is_repeated(gray: Gray, times: int) -> bool:
    """Whether each pixel comes `times` times in a row and in a column, as enlarging without interpolation
    leaves it: steps are on one grid of lines alone.
    """
    return all(_steps_on_one_grid(lines, times) for lines in (gray, gray.T))


def _steps_on_one_grid(gray: Gray, times: int) -> bool:
    if gray.shape[1] < 4 * times:
        return False
    is_step = (np.diff(gray.astype(np.int16), axis=1) != 0).mean(axis=0)
    grids = np.array([is_step[first::times].mean() for first in range(times)])
    first = int(grids.argmax())
    return bool(grids[first] >= LEAST_STEPS and np.delete(grids, first).max() <= MOST_STEPS_OFF)


def _tiles(gray: Gray) -> Iterator[NDArray[np.float64]]:
    height, width = gray.shape
    side = min(_TILE_PX, height, width) // 2 * 2
    if side < _TILE_PX // 8:
        return
    for top in np.linspace(0, height - side, TILES).astype(int):
        for left in np.linspace(0, width - side, TILES).astype(int):
            yield gray[top : top + side, left : left + side].astype(np.float64)


def _details(tile: NDArray[np.float64]) -> tuple[float, float]:
    """Root mean square of what is above COARSE and above FINE, in grey levels."""
    side = len(tile)
    window, highest = _window_and_frequencies(side)
    power = np.abs(np.fft.fft2((tile - tile.mean()) * window)) ** 2 / (side**4 * float((window**2).mean()))
    return float(np.sqrt(power[highest >= COARSE].sum())), float(np.sqrt(power[highest >= FINE].sum()))


@cache
def _window_and_frequencies(side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Hann's window, and the larger of each coefficient's two frequencies, 0 to 1."""
    along = np.hanning(side)
    frequency = np.abs(np.fft.fftfreq(side)) * 2
    return np.outer(along, along), np.maximum.outer(frequency, frequency)
