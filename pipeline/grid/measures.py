"""Figures of a cell's pictures that need no model: blank, burnt, blurred, all alike, or copied from the
training. Arithmetic on pictures in memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.pictures.defects import sharpness
from pipeline.pictures.similarity import perceptual_hash
from pipeline.pictures.work_copy import work_copy

COPY_SIDE_PX = 32
"""Side of the copies that are compared pixel by pixel."""
BLANK_LEVELS = 2.0
"""Below this std of the grey levels a picture shows nothing: black, white, or NaN turned to 0."""
CLIPPED_MARGIN = 2
"""A channel this many levels from 0 or 255, or fewer, counts as burnt."""
COLOUR_BINS = 8

Small = NDArray[np.float32]


@dataclass(frozen=True)
class Nearest:
    """How close a cell's pictures are to the training's."""

    copies: int
    """Pictures with a perceptual hash within `copy_bits` of a training picture's."""
    bits: int
    """Bits, of 64, by which the closest hash differs from a training picture's."""
    distance: float
    """Root mean square difference (0-1) from the nearest training picture, on 32x32 copies."""
    picture: str
    """Id of the training picture nearest by hash."""


@dataclass(frozen=True)
class CellMeasures:
    """One cell's figures. `blank` counts pictures, the others are means or medians over them."""

    blank: int
    sharpness: float
    """Median variance of the Laplacian; low for blurred and empty pictures."""
    colours: float
    """Median number of colours that would fill the picture evenly (exp of the entropy over 8x8x8 bins); near
    1 if colours collapse.
    """
    clipped: float
    """Mean fraction of channel values at the end of their range; too high a weight or guidance raises it."""
    diversity: float | None
    """Mean distance (0-1) between pictures of one prompt and two seeds; None with a single seed."""
    nearest: Nearest | None
    """None without training pictures."""


@dataclass(frozen=True)
class TrainingPictures:
    """Hashes and small copies of the training pictures by id, each plain and mirrored."""

    ids: Sequence[str]
    hashes: NDArray[np.uint64]
    small: Small

    @classmethod
    def of(cls, pictures: Mapping[str, Image.Image]) -> "TrainingPictures":
        both = [(name, each) for name, picture in pictures.items() for each in (picture, mirrored(picture))]
        return cls(
            [name for name, _ in both],
            np.array([perceptual_hash(picture) for _, picture in both], np.uint64),
            np.stack([small_copy(picture) for _, picture in both]),
        )

    @classmethod
    def joined(cls, parts: Sequence["TrainingPictures"]) -> "TrainingPictures":
        return cls(
            [name for part in parts for name in part.ids],
            np.concatenate([part.hashes for part in parts]),
            np.concatenate([part.small for part in parts]),
        )


def measure(
    pictures: Sequence[Image.Image], prompts: Sequence[str], training: TrainingPictures | None, copy_bits: int
) -> CellMeasures:
    """`prompts`: one per picture; pictures of the same prompt differ by seed."""
    grays = [gray(picture) for picture in pictures]
    small = [small_copy(picture) for picture in pictures]
    pairs = [
        distance(small[one], small[two])
        for one, two in combinations(range(len(pictures)), 2)
        if prompts[one] == prompts[two]
    ]
    return CellMeasures(
        blank=sum(float(each.std()) < BLANK_LEVELS for each in grays),
        sharpness=round(median(map(sharpness, grays)), 2),
        colours=round(median(map(colours, pictures)), 2),
        clipped=round(fmean(map(clipped, pictures)), 4),
        diversity=round(fmean(pairs), 4) if pairs else None,
        nearest=_nearest(pictures, small, training, copy_bits) if training else None,
    )


def _nearest(
    pictures: Sequence[Image.Image], small: Sequence[Small], training: TrainingPictures, copy_bits: int
) -> Nearest:
    codes = np.array([perceptual_hash(picture) for picture in pictures], np.uint64)
    bits = np.bitwise_count(codes[:, None] ^ training.hashes)
    _, nearest = np.unravel_index(int(bits.argmin()), bits.shape)
    return Nearest(
        copies=int((bits.min(axis=1) <= copy_bits).sum()),
        bits=int(bits.min()),
        distance=round(min(float(distances(each, training.small).min()) for each in small), 4),
        picture=training.ids[int(nearest)],
    )


def gray(picture: Image.Image) -> NDArray[np.uint8]:
    """Grey levels of the picture's work copy: blur depends on scale."""
    copy, _ = work_copy(np.asarray(picture.convert("RGB")))
    return np.asarray(Image.fromarray(copy).convert("L"))


def small_copy(picture: Image.Image) -> Small:
    """[32, 32, 3] of 0-1."""
    copy = picture.convert("RGB").resize((COPY_SIDE_PX, COPY_SIDE_PX), Image.Resampling.BOX)
    return np.asarray(copy, np.float32) / np.float32(255)


def mirrored(picture: Image.Image) -> Image.Image:
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def distance(one: Small, two: Small) -> float:
    """Root mean square difference, 0 (equal) to 1 (black and white)."""
    return float(np.sqrt(np.square(one - two).mean()))


def distances(one: Small, many: Small) -> Small:
    """`distance` from `one` to each of [pictures, 32, 32, 3]."""
    squares: Small = np.square(many - one).mean(axis=(1, 2, 3), dtype=np.float32)
    result: Small = np.sqrt(squares)
    return result


def colours(picture: Image.Image) -> float:
    """exp(-sum p log p) over the fractions p of 8x8x8 colour bins: 1 for one colour, at most 512."""
    bins = (np.asarray(picture.convert("RGB"), np.int64) * COLOUR_BINS // 256).reshape(-1, 3)
    counts = np.bincount(bins @ np.array([COLOUR_BINS**2, COLOUR_BINS, 1]))
    fractions = counts[counts > 0] / len(bins)
    return float(np.exp(-(fractions * np.log(fractions)).sum()))


def clipped(picture: Image.Image) -> float:
    """Fraction of channel values within 2 levels of an end of their range."""
    levels = np.asarray(picture.convert("RGB"))
    return float(((levels <= CLIPPED_MARGIN) | (levels >= 255 - CLIPPED_MARGIN)).mean())
