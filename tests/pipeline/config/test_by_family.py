"""Sizes that are null follow the base; a preset's value or the user's own wins."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import new
from pipeline.config.check import check
from pipeline.config.compose import Params, compose, flatten, read_params
from pipeline.config.explain import explain
from pipeline.config.json_schema import json_schema
from pipeline.config.rules import doubtful
from pipeline.pictures.buckets import bucket_table
from tests.conftest import ROOT
from tests.pipeline.test_new import project

__all__ = ["project"]
SIZES = ("crop.resolution", "collect.min_side_px", "class_images.resolution", "sample_grid.resolution")
LEFT_FROM_THE_DEMO = dict.fromkeys(SIZES, 128)


def sizes(base: str, crop: str = "focal", **values: Any) -> dict[str, Any]:
    given = {key.replace("__", "."): value for key, value in values.items()}
    return flatten(compose(Params({"base": base, "crop": crop}, given)))


def table(found: dict[str, Any]) -> list[tuple[int, int]]:
    keys = ("resolution", "bucket_min_px", "bucket_max_px", "bucket_step_px")
    return bucket_table(*(found[f"crop.{key}"] for key in keys))


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("base", "side"),
    [("sd15", 512), ("sd21", 768), ("sdxl", 1024), ("noobai_vpred", 1024), ("tiny", 128), ("tiny_xl", 128)],
)
def test_every_size_follows_the_base(base: str, side: int) -> None:
    found = sizes(base)
    assert {key: found[key] for key in SIZES} == dict.fromkeys(SIZES, side)


@pytest.mark.usefixtures("root")
def test_a_base_of_sd_2_that_predicts_the_noise_has_512_px() -> None:
    assert sizes("sd21", base__prediction_type="epsilon")["crop.resolution"] == 512


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(("base", "side"), [("tiny", 512), ("sd21", 768), ("sdxl", 1024)])
def test_pictures_drawn_while_training_follow_the_family(base: str, side: int) -> None:
    """512 with the demo's base, as before, though its own size is 128."""
    assert sizes(base)["logging.sample_resolution"] == side


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(("base", "number"), [("sd15", 17), ("sdxl", 41)])
def test_buckets_are_the_table_of_sd_scripts(base: str, number: int) -> None:
    assert len(table(sizes(base, "buckets"))) == number


@pytest.mark.usefixtures("root")
def test_buckets_of_32_px_keep_the_area() -> None:
    found = table(sizes("sdxl", "buckets", crop__bucket_step_px=32))
    assert len(found) > 41
    assert all(width * height <= 1024 * 1024 and width % 32 == height % 32 == 0 for width, height in found)


@pytest.mark.usefixtures("root")
def test_buckets_of_a_small_base_fit_its_resolution() -> None:
    """With 256 as the shortest side there would be none."""
    assert (128, 128) in table(sizes("tiny", "buckets"))
    check(compose(Params({"base": "tiny", "crop": "buckets"}, {})))


@pytest.mark.usefixtures("root")
def test_the_users_own_resolution_wins_and_takes_the_class_images_along() -> None:
    found = sizes("sdxl", "buckets", crop__resolution=768)
    assert [found[key] for key in SIZES] == [768, 768, 768, 1024]
    assert found["crop.bucket_max_px"] == 2048
    assert sizes("sdxl", collect__min_side_px=640)["collect.min_side_px"] == 640


@pytest.mark.usefixtures("root")
def test_the_demos_sizes_are_as_before() -> None:
    """As every earlier run of the demo resolved them."""
    found = flatten(compose(read_params()))
    assert [found[key] for key in SIZES] == [128] * 4
    assert [found[f"crop.bucket_{key}_px"] for key in ("min", "max", "step")] == [256, 1024, 64]


def doubts(base: str, values: dict[str, Any], **own: Any) -> list[str]:
    config = check(compose(Params({"base": base}, {**values, **own})))
    return [sentence for sentence in doubtful(config) if "trained on" in sentence]


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(("base", "side"), [("sd15", 512), ("sdxl", 1024)])
def test_the_demos_sizes_are_doubted_with_another_base(base: str, side: int) -> None:
    said = doubts(base, {**LEFT_FROM_THE_DEMO, "class_images.count": 4, "class_images.prompt": "a cat"})
    assert len(said) == len(SIZES)
    for key, sentence in zip(sorted(SIZES), sorted(said), strict=True):
        assert sentence.startswith(f"{key} is 128, but the base at base.path was trained on {side} px")


@pytest.mark.usefixtures("root")
def test_nothing_is_doubted_of_sizes_that_follow_the_base() -> None:
    assert doubts("sdxl", {}) == []
    assert doubts("tiny", LEFT_FROM_THE_DEMO, **{"base.family": "sd1"}) == []


@pytest.mark.usefixtures("root")
def test_a_hub_name_without_a_family_is_doubted() -> None:
    values = {"base.path": "somebody/some-xl", "base.family": None}
    said = " ".join(doubtful(check(compose(Params({"base": "folder"}, values)))))
    assert "sizes that are null are those of SD 1.x; set base.family" in said


@pytest.mark.usefixtures("root")
def test_explain_says_where_a_size_comes_from() -> None:
    (found,) = explain("crop.bucket_max_px", ["base=sdxl"])
    assert found.value == 2048
    assert found.origin == "the base's family (null in conf/crop/focal.yaml)"
    (own,) = explain("crop.resolution")
    assert (own.origin, own.default) == ("params.yaml", "by the family in conf/crop/focal.yaml")


def test_editors_allow_null() -> None:
    kinds = json.loads(json_schema())["$defs"]["CropConfig"]["properties"]["resolution"]["anyOf"]
    assert {"type": "null"} in kinds


@pytest.mark.parametrize("base", ["sdxl", "noobai_vpred"])
def test_new_gives_a_base_of_sdxl_its_own_sizes(project: Path, base: str) -> None:
    new.main(["bob", "--base", base, "--tagger", "none"])
    values = flatten(compose(read_params()))
    assert {key: values[key] for key in SIZES} == dict.fromkeys(SIZES, 1024)
    assert "resolution" not in (project / "params.yaml").read_text()


def test_new_looks_at_the_folder_of_a_base(project: Path) -> None:
    path = ROOT / "demo/base_xl"
    new.main(["bob", "--base", str(path), "--tagger", "none"])
    assert flatten(compose(read_params()))["crop.resolution"] == 128
    assert yaml.safe_load((project / "params.yaml").read_text())["use"]["base"] == "folder"
