from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.config.schemas import Tag
from pipeline.errors import UserError
from pipeline.vision.models import Model
from pipeline.vision.taggers import Taggers, open_tagger
from tests.conftest import ROOT
from tests.pipeline.captions.onnx_models import write_csv, write_means, write_tagger

ORANGE = Image.new("RGB", (8, 8), (255, 51, 0))


def settings(**changes: Any) -> Tag:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return check(compose(Params({}, {f"tag.{name}": value for name, value in changes.items()}))).tag


def model(path: Path) -> Model:
    return Model("tag.model", path.name, path, "0" * 64)


def test_several_taggers_are_averaged_by_hand(tmp_path: Path) -> None:
    write_tagger(tmp_path / "one", "N")  # safe: B 0, greenish: G 0.2, someone: R 1
    write_csv(
        write_means(tmp_path / "two", [1, 8, 8, 3]), ["1,long_hair,0,1", "2,safe,9,1", "3,greenish,0,1"]
    )
    taggers = Taggers(settings(model=[str(tmp_path / "one"), str(tmp_path / "two")]))
    # two: long_hair B 0, safe G 0.2, greenish R 1
    expected = {"safe": 0.1, "greenish": 0.6, "someone": 1.0, "long hair": 0.0}
    assert taggers.tags([ORANGE, ORANGE]) == [expected, expected]


def test_a_single_onnx_file_is_told_to_name_its_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name the folder"):
        open_tagger(model(write_tagger(tmp_path / "one", "N") / "model.onnx"), 1)


def test_a_folder_with_torch_weights_alone_is_deepdanbooru(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "model-resnet_custom_v3.pt")
    with pytest.raises(UserError, match="no entry `tags`"):
        open_tagger(model(tmp_path), 1)
    write_tagger(tmp_path, 1)
    assert open_tagger(model(tmp_path), 1).about.layout == "wd14"
