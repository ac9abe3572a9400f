"""Sizes of crops before they are cut, against the cutting itself."""

import pytest
import yaml
from PIL import Image

from pipeline.pictures.crop_edits import CropEdit
from pipeline.pictures.crop_sizes import crop_sizes
from pipeline.pictures.cutting import cuts
from pipeline.schemas import CropConfig
from tests.conftest import ROOT

CHANGES = {
    "resolution": 128,
    "split_threshold": 0.5,
    "bucket_min_px": 64,
    "bucket_max_px": 256,
    "bucket_step_px": 64,
}


@pytest.mark.parametrize(
    "edit", [CropEdit(), CropEdit(box=[0, 0, 40, 90]), CropEdit(mirror=True), CropEdit(split=False)]
)
@pytest.mark.parametrize("shape", ["square", "buckets"])
def test_sizes_foreseen_are_those_that_are_cut(shape: str, edit: CropEdit) -> None:
    values = yaml.safe_load((ROOT / "conf/crop/focal.yaml").read_text(encoding="utf-8"))
    config = CropConfig(**{**values, **CHANGES, "shape": shape})
    for size in ((100, 100), (60, 200), (300, 90)):
        cut = cuts(Image.new("RGB", size), config, edit)
        assert crop_sizes(*size, config, edit) == [(each.suffix, each.target) for each in cut]
