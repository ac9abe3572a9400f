from random import Random
from statistics import fmean
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.pictures.buckets import bucket_table, cut_fraction, fixed_size, nearest_bucket, target_size
from pipeline.schemas import CropConfig
from tests.conftest import ROOT

SD1 = bucket_table(512, 256, 1024)


def test_the_tables_are_those_of_sd_scripts() -> None:
    assert len(SD1) == 17
    assert (SD1[0], SD1[-1]) == ((256, 832), (1024, 256))
    assert {(256, 1024), (320, 768), (448, 576), (512, 512), (640, 384)} <= set(SD1)
    sdxl = bucket_table(1024, 256, 2048)
    assert len(sdxl) == 41
    assert {(1024, 1024), (1152, 896), (832, 1216), (2048, 512), (512, 2048)} <= set(sdxl)


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        ((512, 512), (512, 512)),
        ((3000, 3000), (512, 512)),
        ((1920, 1200), (640, 384)),  # 1.600: 640/384 = 1.667, 576/448 = 1.286
        ((1200, 1600), (448, 576)),  # 0.750: 448/576 = 0.778, 384/640 = 0.600
        ((100, 1000), (256, 1024)),
    ],
)
def test_the_nearest_ratio_is_chosen(size: tuple[int, int], bucket: tuple[int, int]) -> None:
    assert nearest_bucket(*size, SD1) == bucket


@given(st.integers(64, 4000), st.integers(64, 4000))
def test_tall_pictures_are_treated_as_wide_ones(width: int, height: int) -> None:
    table = [size for size in SD1 if size[::-1] in SD1]
    wide, tall = nearest_bucket(width, height, table), nearest_bucket(height, width, table)
    assert wide[0] / wide[1] == pytest.approx(tall[1] / tall[0])


def buckets(resolution: int = 512, **changes: Any) -> CropConfig:
    values = yaml.safe_load((ROOT / "conf/crop/focal.yaml").read_text(encoding="utf-8"))
    own = {"shape": "buckets", "enlarge": False, "bucket_min_px": 256, "bucket_max_px": 2 * resolution}
    own["bucket_step_px"] = 64
    return CropConfig(**{**values, **own, "resolution": resolution, **changes})


@pytest.mark.parametrize(
    ("size", "bucket", "cut"),
    [
        ((2999, 3001), (512, 512), 0.0007),  # the table's, and nothing is enlarged
        ((1024, 1024), (512, 512), 0.0),
        ((500, 500), (448, 448), 0.0),  # the table has no square that fits
        ((500, 1000), (320, 640), 0.0),
        ((2048, 512), (1024, 256), 0.0),
        ((300, 280), (256, 256), 0.0667),  # 1 - 280/300
        ((200, 280), (256, 256), 0.2857),  # limits hold: a side under them is enlarged
        ((9000, 1000), (1024, 256), 0.5556),  # and one over them is cut
    ],
)
def test_without_enlarging_the_size_that_cuts_least_is_chosen_within_the_limits(
    size: tuple[int, int], bucket: tuple[int, int], cut: float
) -> None:
    assert target_size(*size, buckets()) == bucket
    assert cut_fraction(*size, bucket) == pytest.approx(cut, abs=5e-5)


def sd_scripts_share(width: int, height: int, resolution: int) -> float:
    """The share that sd-scripts leaves out with bucket_no_upscale (library/train_util.py, select_bucket)."""
    ratio, shown = width / height, (width, height)
    if width * height > resolution**2:
        by_width = [(resolution * ratio**0.5 + 0.5) // 64 * 64]
        by_width.append((by_width[0] / ratio + 0.5) // 64 * 64)
        by_height = [(resolution / ratio**0.5 + 0.5) // 64 * 64]
        by_height.insert(0, (by_height[0] * ratio + 0.5) // 64 * 64)
        if abs(by_width[0] / by_width[1] - ratio) < abs(by_height[0] / by_height[1] - ratio):
            shown = (int(by_width[0]), int(by_width[0] / ratio + 0.5))
        else:
            shown = (int(by_height[1] * ratio + 0.5), int(by_height[1]))
    return 1 - (shown[0] // 64 * 64) * (shown[1] // 64 * 64) / (shown[0] * shown[1])


@pytest.mark.parametrize("resolution", [512, 768, 1024])
def test_less_is_cut_than_by_sd_scripts_and_nothing_enlarged(resolution: int) -> None:
    """On average over random sizes; of ratios that the limits allow."""
    config, random, ours, theirs = buckets(resolution), Random(0), list[float](), list[float]()
    while len(ours) < 1500:
        size = random.randint(256, 3000), random.randint(256, 3000)
        if max(size) < 3 * min(size):
            bucket = target_size(*size, config)
            assert bucket[0] <= size[0]
            assert bucket[1] <= size[1]
            assert min(bucket) >= 256
            assert max(bucket) <= 2 * resolution
            ours.append(cut_fraction(*size, bucket))
            theirs.append(sd_scripts_share(*size, resolution))
    assert fmean(ours) < 0.8 * fmean(theirs)


def test_a_fixed_ratio_keeps_the_area() -> None:
    assert fixed_size(512, (1, 1), 64) == (512, 512)
    assert fixed_size(512, (3, 4), 64) == (448, 576)
    assert fixed_size(256, (3, 4), 64) == (192, 320)
    assert fixed_size(512, (3, 4), 8) == (440, 592)
