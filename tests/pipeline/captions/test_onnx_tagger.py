"""Layouts beside WD14's own, batches, logits, and files that are no tagger."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.captions.onnx_tagger import OnnxTagger
from pipeline.errors import UserError
from tests.pipeline.captions.onnx_models import write_csv, write_linear, write_means, write_tagger

ORANGE = Image.new("RGB", (8, 8), (255, 51, 0))
"""BGR -1..1: -1, -0.6, 1."""
MAPPING = {
    "0": {"tag": "general", "category": "Rating"},
    "2": {"tag": "masterpiece", "category": "Quality"},
    "1": {"tag": "1girl", "category": "General"},
}


def sigmoid(*logits: float) -> list[float]:
    return [1 / (1 + np.exp(-x)) for x in logits]


def answer(tagger: OnnxTagger, *pictures: Image.Image) -> list[list[float]]:
    scores: list[list[float]] = tagger.answers(np.stack([tagger.prepare(p) for p in pictures])).tolist()
    return scores


def test_cl_tagger_takes_planes_from_minus_one_and_leaves_the_sigmoid_to_us(tmp_path: Path) -> None:
    # The means of B, G, R over -0.25: a white picture gives -4, so these are logits.
    write_means(tmp_path, ["batch", 3, 8, 8], scale=-0.25, name="model_optimized.onnx")
    (tmp_path / "tag_mapping.json").write_text(json.dumps(MAPPING))
    tagger = OnnxTagger(tmp_path, batch=4)
    assert (tagger.about.layout, tagger.about.side_px) == ("cl", 8)
    assert [(label.category, label.name) for label in tagger.about.labels] == [
        ("rating", "general"),
        ("general", "1girl"),
        ("quality", "masterpiece"),
    ]
    assert answer(tagger, ORANGE)[0] == pytest.approx(sigmoid(4, 2.4, -4), abs=1e-6)


def test_a_timm_export_takes_planes_beside_selected_tags(tmp_path: Path) -> None:
    write_csv(write_means(tmp_path, [1, 3, 8, 8], scale=-0.25), ["1,a,0,1", "2,b,0,1", "3,c,4,1"])
    tagger = OnnxTagger(tmp_path, batch=4)
    assert tagger.about.layout == "wd14-timm"
    assert answer(tagger, ORANGE)[0] == pytest.approx(sigmoid(4, 2.4, -4), abs=1e-6)


def test_a_timm_export_with_its_sigmoid_inside_gets_no_second_one(tmp_path: Path) -> None:
    weights = np.zeros((3 * 8 * 8, 1), np.float32)
    weights[:64] = 2 / 64
    write_csv(write_linear(tmp_path, [1, 3, 8, 8], weights, sigmoid=True), ["1,a,0,1"])
    assert answer(OnnxTagger(tmp_path, batch=1), ORANGE)[0] == pytest.approx(sigmoid(-2), abs=1e-6)


def test_wd14_with_logits_gets_the_sigmoid(tmp_path: Path) -> None:
    weights = np.zeros((8 * 8 * 3, 2), np.float32)
    weights[2::3, 0], weights[2::3, 1] = 2 / 64 / 255, -2 / 64 / 255
    write_csv(write_linear(tmp_path, ["N", 8, 8, 3], weights, sigmoid=False), ["1,red,0,1", "2,pale,0,1"])
    assert answer(OnnxTagger(tmp_path, batch=1), ORANGE)[0] == pytest.approx(sigmoid(2, -2), abs=1e-6)


def test_deepdanbooru_takes_rgb_up_to_one_and_reads_where_characters_begin(tmp_path: Path) -> None:
    write_means(tmp_path, ["N", 8, 8, 3], scale=1.0, name="model-resnet_custom_v3.onnx")
    (tmp_path / "tags.txt").write_text("1girl\nhatsune_miku\nrating:safe\n")
    starts = [{"name": "General", "start_index": 0}, {"name": "Character", "start_index": 1}]
    (tmp_path / "categories.json").write_text(json.dumps([*starts, {"name": "System", "start_index": 2}]))
    tagger = OnnxTagger(tmp_path, batch=1)
    assert tagger.about.layout == "deepdanbooru"
    assert [label.category for label in tagger.about.labels] == ["general", "character", "rating"]
    assert answer(tagger, ORANGE)[0] == pytest.approx([1.0, 0.2, 0.0])


def test_a_fixed_batch_is_filled_up_and_the_filling_left_out(tmp_path: Path) -> None:
    tagger = OnnxTagger(write_tagger(tmp_path / "tagger", 4), batch=64)
    assert tagger.together == 4
    assert answer(tagger, ORANGE, ORANGE, ORANGE) == pytest.approx(np.array([[0, 0.2, 1]] * 3))


def test_on_a_cpu_a_picture_is_a_call_so_that_none_depends_on_its_neighbours(tmp_path: Path) -> None:
    assert OnnxTagger(write_tagger(tmp_path / "tagger", "N"), batch=64).together == 1


def test_labels_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gives 3 scores, but selected_tags\.csv has 2 rows"):
        OnnxTagger(write_tagger(tmp_path / "tagger", 1, rows=2), batch=1)


@pytest.mark.parametrize(
    ("shape", "found"),
    [([1, 8, 8, 4], "[1, 8, 8, 4]"), ([1, 8, 9, 3], "[1, 8, 9, 3]"), ([1, "h", "w", 3], "[1, 'h', 'w', 3]")],
)
def test_an_input_that_is_no_layout_is_told_with_what_was_found(
    tmp_path: Path, shape: list[int | str], found: str
) -> None:
    number = int(np.prod([side if isinstance(side, int) else 8 for side in shape[1:]]))
    write_csv(write_linear(tmp_path, shape, np.zeros((number, 1), np.float32), sigmoid=True), ["1,a,0,1"])
    with pytest.raises(UserError) as error:
        OnnxTagger(tmp_path, batch=1)
    assert f"model.onnx: unknown layout; found: input {found}" in str(error.value)
    assert "expected: model.onnx with selected_tags.csv" in str(error.value)


def test_a_folder_without_labels_or_network_is_told_with_what_lies_in_it(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(UserError, match=r"no \.onnx file; found: notes\.md; expected"):
        OnnxTagger(tmp_path, batch=1)
    write_means(tmp_path, [1, 8, 8, 3])
    with pytest.raises(UserError, match="label file none"):
        OnnxTagger(tmp_path, batch=1)


def test_of_several_networks_the_one_with_the_known_name_is_taken(tmp_path: Path) -> None:
    write_tagger(tmp_path, 1)
    (tmp_path / "other.onnx").write_bytes(b"")
    assert OnnxTagger(tmp_path, batch=1).network.name == "model.onnx"
    (tmp_path / "model.onnx").rename(tmp_path / "third.onnx")
    with pytest.raises(UserError, match=r"several \.onnx files"):
        OnnxTagger(tmp_path, batch=1)


def test_a_cut_file_is_a_sentence(tmp_path: Path) -> None:
    folder = write_tagger(tmp_path / "tagger", 1)
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:60])
    with pytest.raises(UserError, match="not a readable ONNX file"):
        OnnxTagger(folder, batch=1)


def test_scores_outside_of_zero_to_one_are_never_kept(tmp_path: Path) -> None:
    weights = np.full((8 * 8 * 3, 1), 1 / 192 / 255, np.float32)
    weights[:96] *= -1
    write_csv(write_linear(tmp_path, [1, 8, 8, 3], weights, sigmoid=False), ["1,a,0,1"])
    half = Image.new("RGB", (8, 8), "black")
    half.paste("white", (0, 0, 8, 4))
    with pytest.raises(UserError, match=r"scores from -0\.5 to -0\.5 are not probabilities"):
        answer(OnnxTagger(tmp_path, batch=1), half)


@pytest.mark.parametrize("sigmoid_inside", [True, False])
def test_a_network_that_breaks_down_is_told(tmp_path: Path, sigmoid_inside: bool) -> None:
    weights = np.full((8 * 8 * 3, 1), np.nan, np.float32)
    write_csv(write_linear(tmp_path, [1, 8, 8, 3], weights, sigmoid=sigmoid_inside), ["1,a,0,1"])
    with pytest.raises(UserError, match="scores from nan to nan"):
        answer(OnnxTagger(tmp_path, batch=1), ORANGE)
