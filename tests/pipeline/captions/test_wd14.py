from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from pipeline.captions.wd14 import Wd14Tagger, named_scores, prepare
from pipeline.errors import UserError


def write_tagger(folder: Path, batch: int | str, rows: int = 3) -> Path:
    """A tagger made by the written contract: it answers with the mean of B, G and R over 255."""
    mean = helper.make_node("ReduceMean", ["x"], ["m"], axes=[1, 2], keepdims=0)
    scale = helper.make_node("Div", ["m", "k"], ["y"])
    graph = helper.make_graph(
        [mean, scale],
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 8, 8, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3])],
        [helper.make_tensor("k", TensorProto.FLOAT, [1], [255.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    folder.mkdir()
    onnx.save(model, folder / "model.onnx")
    names = ["1,safe,9,10", "2,greenish,0,9", "3,someone,4,8"][:rows]
    (folder / "selected_tags.csv").write_text("\n".join(["tag_id,name,category,count", *names, ""]))
    return folder


@pytest.mark.parametrize("batch", [1, "N"])
def test_channels_are_bgr_and_values_run_to_255(tmp_path: Path, batch: int | str) -> None:
    tagger = Wd14Tagger(write_tagger(tmp_path / "tagger", batch))
    pictures = [Image.new("RGB", (8, 8), (255, 51, 0)), Image.new("RGB", (8, 8), (0, 0, 255))]
    scores = np.stack(list(tagger.scores(pictures, batch=2)))
    assert scores == pytest.approx(np.array([[0.0, 0.2, 1.0], [1.0, 0.0, 0.0]]))


def test_a_long_picture_stands_in_the_middle_of_a_white_square() -> None:
    x = prepare(Image.new("RGB", (40, 20), (0, 0, 0)), 40)
    assert x.shape == (40, 40, 3)
    assert x.dtype == np.float32
    assert (x[:8] == 255).all()
    assert (x[12:28] == 0).all()
    assert (x[32:] == 255).all()


def test_scores_are_named_by_category_and_kept_from_the_least_on(tmp_path: Path) -> None:
    labels = Wd14Tagger(write_tagger(tmp_path / "tagger", 1)).labels
    named = named_scores(labels, np.array([0.9, 0.123456789, 0.001], np.float32), 0.005)
    assert named == {"rating": {"safe": 0.9}, "general": {"greenish": 0.12346}}


def test_a_folder_that_is_no_tagger_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no model\.onnx in it"):
        Wd14Tagger(tmp_path)


def test_labels_of_another_network_are_refused(tmp_path: Path) -> None:
    tagger = Wd14Tagger(write_tagger(tmp_path / "tagger", 1, rows=2))
    with pytest.raises(UserError, match=r"3 scores, but selected_tags\.csv has 2 rows"):
        list(tagger.scores([Image.new("RGB", (8, 8))], 1))
