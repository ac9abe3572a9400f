"""The size that a picture is trained at: a square, a fixed shape, or the nearest of a table of sizes of about
equal area. Pure arithmetic; sizes are (width, height) in pixels.
"""

import math
from fractions import Fraction

from pipeline.schemas import CropConfig

Size = tuple[int, int]
LEAST_AREA = 0.75
"""A bucket that cuts less may have this fraction of the largest one's area."""


def bucket_table(resolution: int, min_px: int, max_px: int, step_px: int = 64) -> list[Size]:
    """Sides are multiples of `step_px` from `min_px` to `max_px`, areas at most about resolution^2: the table
    of sd-scripts (library/model_util.py, make_bucket_resolutions).

    512 with 256..1024 gives 17 sizes (SD 1.x), 1024 with 256..2048 gives 41 (SDXL).
    """
    area = resolution * resolution
    square = math.isqrt(area) // step_px * step_px
    sizes = {(square, square)}
    for width in range(min_px, max_px + 1, step_px):
        height = min(max_px, area // width // step_px * step_px)
        if height >= min_px:
            sizes |= {(width, height), (height, width)}
    return sorted(sizes)


def nearest_bucket(width_px: int, height_px: int, table: list[Size]) -> Size:
    """The same size if the table has it, else the nearest aspect ratio, which cuts least.
    (sd-scripts takes the difference of the ratios, which treats tall pictures differently from wide ones.)
    """
    if (width_px, height_px) in table:
        return width_px, height_px
    log_ratio = math.log(width_px / height_px)
    return min(table, key=lambda bucket: (abs(math.log(bucket[0] / bucket[1]) - log_ratio), bucket))


def bucket_within(width_px: int, height_px: int, table: list[Size], config: CropConfig) -> Size:
    """The size that cuts least without enlarging: one of the table that fits into the picture, or one of the
    picture's own shape. If the cuts are equal to a hundredth, prefers the table, then the largest.
    """
    fitting = {(width, height) for width, height in table if width <= width_px and height <= height_px}
    return min(
        fitting | _own_sizes(width_px, height_px, config),
        key=lambda size: (
            round(cut_fraction(width_px, height_px, size), 2), size not in fitting, -size[0] * size[1], size
        ),
    )  # fmt: skip


def _own_sizes(width_px: int, height_px: int, config: CropConfig) -> set[Size]:
    """The picture's size, shrunk to the area resolution^2 if larger and rounded down to steps, and sizes one
    step smaller that keep most of the area. The limits of buckets apply, even to smaller sides.
    """
    step, least, most = config.bucket_step_px, config.bucket_min_px, config.bucket_max_px
    scale = min(1.0, config.resolution / math.sqrt(width_px * height_px))
    widest, highest = (
        [min(most, int(side * scale + 1e-6)) // step * step - less for less in (0, step)]
        for side in (width_px, height_px)
    )
    smallest = -(-least // step) * step
    sizes = {(max(smallest, width), max(smallest, height)) for width in widest for height in highest}
    largest = max(width * height for width, height in sizes)
    return {(width, height) for width, height in sizes if width * height >= LEAST_AREA * largest}


def cut_fraction(width_px: int, height_px: int, size: Size) -> float:
    """Fraction of a picture that a crop of the shape of `size` leaves out."""
    ratio = (width_px * size[1]) / (height_px * size[0])
    return 1 - min(ratio, 1 / ratio)


def fixed_size(resolution: int, ratio: tuple[int, int], step_px: int) -> Size:
    """The size of the ratio width : height whose area is nearest to resolution^2, in multiples of
    `step_px`.
    """
    root = math.sqrt(Fraction(*ratio))
    return round(resolution * root / step_px) * step_px, round(resolution / root / step_px) * step_px


def target_size(width_px: int, height_px: int, config: CropConfig) -> Size:
    """The size that a picture of this size is cropped to."""
    if config.shape == "square":
        return config.resolution, config.resolution
    if config.shape == "ratio":
        return fixed_size(config.resolution, (config.ratio[0], config.ratio[1]), config.bucket_step_px)
    table = bucket_table(config.resolution, config.bucket_min_px, config.bucket_max_px, config.bucket_step_px)
    if not config.enlarge:
        return bucket_within(width_px, height_px, table, config)
    return nearest_bucket(width_px, height_px, table)
