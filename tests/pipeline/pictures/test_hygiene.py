from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.pictures.found import SourcePicture
from pipeline.pictures.hygiene import picture_faults
from pipeline.pictures.measures import PictureMeasures
from tests.pipeline.pictures.settings import settings

GOOD = PictureMeasures(
    sha256="0" * 64, width_px=600, height_px=512, format="PNG", broken_profile=False, perceptual_hash=0,
    sharpness=500, brightness=0.5, border_share=0, text_lines=0,
)  # fmt: skip


def found(name: str = "a.png", caption: str | None = "a cat") -> SourcePicture:
    path = Path("in", name)
    return SourcePicture(path, str(path), f"zib/{path.stem}", "zib", 1, False, caption, {})


def checks_of(measures: PictureMeasures, item: SourcePicture | None = None) -> list[str]:
    return [fault.check for fault in picture_faults(item or found(), measures, settings())]


def test_a_good_picture_has_no_faults() -> None:
    assert checks_of(GOOD) == []


@pytest.mark.parametrize(
    ("width", "height", "checks"),
    [
        (512, 512, []),
        (512, 1536, []),
        (511, 900, ["too_small"]),
        (512, 1537, ["extreme_aspect"]),
        (100, 400, ["too_small", "extreme_aspect"]),
    ],
)
def test_sizes_and_shapes(width: int, height: int, checks: list[str]) -> None:
    assert checks_of(replace(GOOD, width_px=width, height_px=height)) == checks


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"sharpness": 29.9}, "blur"),
        ({"brightness": 0.05}, "dark"),
        ({"brightness": 0.98}, "bright"),
        ({"border_share": 0.021}, "border"),
        ({"text_lines": 1}, "watermark"),
        ({"blockiness": 1.6}, "jpeg_damage"),
        ({"fine_detail": 0.08}, "upscaled"),
        ({"faces": 0}, "no_face"),
        ({"faces": 2}, "several_faces"),
        ({"format": "JPEG"}, "wrong_suffix"),
        ({"broken_profile": True}, "broken_profile"),
    ],
)
def test_each_measure_beyond_its_limit_is_a_fault(changes: dict[str, Any], check: str) -> None:
    assert checks_of(replace(GOOD, **changes)) == [check]


def test_at_the_limit_there_is_none() -> None:
    at = replace(GOOD, sharpness=30, brightness=0.97, border_share=0.02, faces=1)
    assert checks_of(at) == []


@pytest.mark.parametrize("name", ["aux.png", "COM1.x.png", "a .png", "a..png", "who?.png", 'a"b.png'])
def test_names_that_windows_cannot_hold(name: str) -> None:
    assert checks_of(GOOD, found(name)) == ["odd_name"]


@pytest.mark.parametrize("name", ["auxiliary.png", "a.b.png", "a (1).png", "[x] y.png"])
def test_names_that_it_can(name: str) -> None:
    assert checks_of(GOOD, found(name)) == []


@pytest.mark.parametrize(("caption", "check"), [(None, "caption_missing"), ("", "caption_empty")])
def test_captions(caption: str | None, check: str) -> None:
    assert checks_of(GOOD, found(caption=caption)) == [check]


@pytest.mark.parametrize(
    ("name", "kind"), [("a.jfif", "JPEG"), ("a.JPEG", "JPEG"), ("a.jpg", "MPO"), ("a.tiff", "TIFF")]
)
def test_one_format_has_several_suffixes(name: str, kind: str) -> None:
    assert checks_of(replace(GOOD, format=kind), found(name)) == []


def test_upscaling_matters_only_where_the_crop_would_enlarge() -> None:
    soft = replace(GOOD, fine_detail=0.01)
    assert checks_of(replace(soft, width_px=1100, height_px=1023)) == ["upscaled"]
    assert checks_of(replace(soft, width_px=1100, height_px=1024)) == []


def test_a_border_says_what_to_keep() -> None:
    boxed = replace(GOOD, border_share=0.25, content=(0.0, 0.125, 1.0, 0.75))
    (fault,) = picture_faults(found(), boxed, settings())
    assert fault.sentence.endswith("cut them off: `box: [0, 64, 600, 384]` in data/crop_edits.yaml")
    assert fault.marks == ((0.0, 0.125, 1.0, 0.75),)
    assert (fault.measured, fault.limit) == (0.25, 0.02)
