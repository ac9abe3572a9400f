import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.pictures.buckets import bucket_table, fixed_size, nearest_bucket, own_bucket

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


@pytest.mark.parametrize(
    ("size", "bucket"),
    [((300, 200), (256, 192)), ((1024, 1024), (512, 512)), ((2048, 512), (1024, 256)), ((50, 80), (64, 64))],
)
def test_a_bucket_of_its_own_is_never_larger_than_the_picture(
    size: tuple[int, int], bucket: tuple[int, int]
) -> None:
    assert own_bucket(*size, 512, 64) == bucket


def test_a_fixed_ratio_keeps_the_area() -> None:
    assert fixed_size(512, (1, 1), 64) == (512, 512)
    assert fixed_size(512, (3, 4), 64) == (448, 576)
    assert fixed_size(256, (3, 4), 64) == (192, 320)
    assert fixed_size(512, (3, 4), 8) == (440, 592)
