from pathlib import Path

import pytest
import torch

from pipeline.errors import UserError
from pipeline.vision.models import VisionModel
from pipeline.vision.taggers import open_tagger
from tests.pipeline.captions.onnx_models import write_tagger


def model(path: Path) -> VisionModel:
    return VisionModel("tag.model", path.name, path, "0" * 64)


def test_a_single_onnx_file_is_told_to_name_its_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name its folder"):
        open_tagger(model(write_tagger(tmp_path / "one", "N") / "model.onnx"), 1)


def test_a_folder_with_torch_weights_alone_is_deepdanbooru(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "model-resnet_custom_v3.pt")
    with pytest.raises(UserError, match="no list `tags` in it"):
        open_tagger(model(tmp_path), 1)
    write_tagger(tmp_path, 1)
    assert open_tagger(model(tmp_path), 1).about.layout == "wd14"
