"""Camie, PixAI, animetimm and JoyTag, each on a network of its layout: labels, preparation of pictures, the
output that counts, thresholds.

References are made here from the written contracts alone: Camais03/camie-tagger-v2 onnx_inference.py,
deepghs/imgutils tagging/pixai.py and preprocess/pillow.py, fpgaminer/joytag README.md.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image
from skimage import data as photographs

from pipeline.captions.labels import named_scores
from pipeline.captions.onnx_tagger import OnnxTagger
from pipeline.errors import UserError
from tests.pipeline.captions.onnx_models import write_csv, write_means

SIDE = 16
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
KEPT = 5.1e-4
"""Three decimals are kept, and float32 is good to about 1e-6."""
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
WIDE = Image.fromarray(photographs.astronaut()).resize((40, 24))


def write_several(folder: Path, outputs: dict[str, float], side: int | str = SIDE, num: int = 3) -> Path:
    """A network [N, 3, side, side] with several outputs, each the channels' means times a number; `embedding`
    has one more column than there are labels.
    """
    nodes = [helper.make_node("ReduceMean", ["input"], ["means"], axes=[2, 3], keepdims=0)]
    values, constants = list[Any](), list[Any]()
    for name, factor in outputs.items():
        weights = np.eye(3, num + (name == "embedding"), dtype=np.float32) * factor
        constants.append(
            helper.make_tensor(f"w {name}", TensorProto.FLOAT, weights.shape, weights.ravel().tolist())
        )
        nodes.append(helper.make_node("MatMul", ["means", f"w {name}"], [name]))
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", weights.shape[1]]))
    shape: list[int | str] = ["batch", 3, side, side]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(nodes, "several", inputs, values, constants)
    folder.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    return folder


def planes(picture: Image.Image, numbers: tuple[tuple[float, ...], tuple[float, ...]]) -> NDArray[np.float64]:
    """[3, h, w]: RGB in 0..1, normalised by channel."""
    mean, std = np.asarray(numbers)
    unit = np.asarray(picture, np.float64) / 255
    return np.asarray(((unit - mean) / std).transpose(2, 0, 1), np.float64)


def flat(tagger: OnnxTagger, picture: Image.Image) -> dict[str, float]:
    scores = tagger.answers(tagger.prepare(picture)[None])[0]
    return {
        f"{category}/{name}": score
        for category, names in named_scores(tagger.about.labels, scores, 0.0).items()
        for name, score in names.items()
    }


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def write_camie(folder: Path, side: int | str = SIDE, **outputs: float) -> Path:
    write_several(folder, outputs or {"initial_predictions": 5.0, "refined_predictions": 1.0}, side)
    (folder / "model.onnx").rename(folder / "camie-tagger-v2.onnx")
    tags = {"0": "1girl", "2": "someone_(series)", "1": "year_2020"}
    categories = {"1girl": "general", "someone_(series)": "character", "year_2020": "year"}
    content = {
        "model_info": {"img_size": SIDE},
        "dataset_info": {"tag_mapping": {"idx_to_tag": tags, "tag_to_category": categories}},
    }
    (folder / "camie-tagger-v2-metadata.json").write_text(json.dumps(content))
    return folder


def camie_picture() -> Image.Image:
    """40x24 fitted into 16x16: 16x9, rows 3 to 11, on ImageNet's mean colour."""
    square = Image.new("RGB", (SIDE, SIDE), (124, 116, 104))
    square.paste(WIDE.resize((16, 9), Image.Resampling.LANCZOS), (0, 3))
    return square


@pytest.mark.parametrize("side", [SIDE, "height"])
def test_camie_pads_with_the_mean_colour_and_its_refined_logits_count(
    tmp_path: Path, side: int | str
) -> None:
    tagger = OnnxTagger(write_camie(tmp_path, side), batch=2)
    assert (tagger.about.layout, tagger.about.side_px, tagger.about.gives_logits) == ("camie", SIDE, True)
    x = tagger.prepare(WIDE)
    expected = planes(camie_picture(), IMAGENET)
    assert x == pytest.approx(expected, abs=1e-6)
    assert abs(x[:, 0]).max() < 0.01  # the margin is ImageNet's mean
    means = expected.mean(axis=(1, 2))
    assert flat(tagger, WIDE) == pytest.approx(
        {
            "general/1girl": sigmoid(means[0]),
            "meta/year_2020": sigmoid(means[1]),
            "character/someone_(series)": sigmoid(means[2]),
        },
        abs=KEPT,
    )
    assert tagger.about.thresholds["character"] == 0.492


def test_camie_with_outputs_of_other_names_takes_the_second(tmp_path: Path) -> None:
    tagger = OnnxTagger(write_camie(tmp_path, SIDE, first=5.0, second=1.0), batch=2)
    assert tagger.output == "second"
    assert OnnxTagger(write_camie(tmp_path / "one", SIDE, only=1.0), batch=2).output == "only"


def test_camie_without_its_mapping_is_a_sentence(tmp_path: Path) -> None:
    (write_camie(tmp_path) / "camie-tagger-v2-metadata.json").write_text('{"dataset_info": {}}')
    with pytest.raises(UserError, match=r'metadata\.json: must be \{"dataset_info"'):
        OnnxTagger(tmp_path, batch=1)


PIXAI_STAGES = [
    {"type": "convert_rgb"},
    {"type": "resize", "size": [SIDE, SIDE], "interpolation": "bicubic", "antialias": True, "max_size": None},
    {"type": "maybe_to_tensor"},
    {"type": "normalize", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
]


def write_pixai(folder: Path, content: dict[str, Any], **outputs: float) -> Path:
    """deepghs/pixai-tagger-v0.9-onnx: embedding, logits and prediction."""
    write_several(folder, outputs or {"embedding": 1.0, "logits": 5.0, "prediction": 0.25})
    rows = ["0,1,1girl,0,9,[]", "1,2,hat,0,8,[]", '2,3,miku,4,7,"[""v""]"', ""]
    (folder / "selected_tags.csv").write_text("\n".join(["id,tag_id,name,category,count,ips", *rows]))
    (folder / "preprocess.json").write_text(json.dumps(content))
    lines = ["category,name,threshold", "0,general,0.3", "4,character,0.85", "4,x,1", ""]
    (folder / "thresholds.csv").write_text("\n".join(lines))
    return folder


def test_pixai_squashes_as_its_file_states_and_gives_probabilities_in_one_of_three_outputs(
    tmp_path: Path,
) -> None:
    # Colours from grey up, so that a quarter of each channel's mean is a probability.
    bright = Image.fromarray(np.asarray(WIDE) // 2 + 128)
    tagger = OnnxTagger(write_pixai(tmp_path, {"stages": PIXAI_STAGES}), batch=2)
    about = tagger.about
    assert (about.layout, about.side_px, about.gives_logits) == ("stated", SIDE, False)
    expected = planes(bright.resize((SIDE, SIDE), Image.Resampling.BICUBIC), HALF)
    assert tagger.prepare(bright) == pytest.approx(expected, abs=1e-6)
    quarter = expected.mean(axis=(1, 2)) / 4
    assert flat(tagger, bright) == pytest.approx(
        {"general/1girl": quarter[0], "general/hat": quarter[1], "character/miku": quarter[2]}, abs=KEPT
    )
    assert about.thresholds == {"general": 0.3, "character": 0.85}


def test_animetimm_pads_resizes_and_cuts_as_its_test_stages_state(tmp_path: Path) -> None:
    stages = [
        {"type": "pad_to_size", "size": [32, 32], "background_color": "white", "interpolation": "bilinear"},
        {"type": "resize", "size": 20, "interpolation": "bicubic"},
        {"type": "center_crop", "size": [SIDE, SIDE]},
        {"type": "maybe_to_tensor"},
        {"type": "normalize", "mean": list(IMAGENET[0]), "std": list(IMAGENET[1])},
    ]
    tagger = OnnxTagger(write_pixai(tmp_path, {"test": stages}), batch=2)
    padded = Image.new("RGB", (32, 32), "white")
    padded.paste(WIDE.resize((32, 19), Image.Resampling.BILINEAR), (0, 6))
    cut = padded.resize((20, 20), Image.Resampling.BICUBIC).crop((2, 2, 18, 18))
    assert tagger.prepare(WIDE) == pytest.approx(planes(cut, IMAGENET), abs=1e-6)
    assert tagger.about.preprocessing.startswith("stated-")
    other = OnnxTagger(write_pixai(tmp_path / "other", {"stages": PIXAI_STAGES}), batch=2)
    assert other.about.preprocessing != tagger.about.preprocessing


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ([{"type": "rotate", "degrees": 9}], r"unknown stage rotate; known: center_crop, convert_rgb"),
        ([{"type": "resize", "size": [8, 8, 8]}], r"not a list of stages"),
        ([{"type": "resize", "size": 10**9}], r"not a list of stages"),
        ([{"type": "resize", "size": 8, "interpolation": "none"}], r"not a list of stages"),
        ([{"type": "rescale", "rescale_factor": 1}], r"not a list of stages"),
        ([{"type": "normalize", "mean": 0.5, "std": 0}], r"not a list of stages"),
        ("resize", r"not a list of stages"),
        ([{"type": "resize", "size": [8, 8]}], r"gives pictures of 8x8, but the network takes 16x16"),
    ],
)
def test_stages_that_cannot_be_followed_are_a_sentence(tmp_path: Path, stages: Any, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        OnnxTagger(write_pixai(tmp_path, {"stages": stages}), batch=1)


@pytest.mark.parametrize("table", ["category,name\n0,general\n", "category,threshold\n0,-1\n"])
def test_a_damaged_table_of_thresholds_is_a_sentence(tmp_path: Path, table: str) -> None:
    (write_pixai(tmp_path, {"stages": PIXAI_STAGES}) / "thresholds.csv").write_text(table)
    with pytest.raises(UserError, match=r"thresholds\.csv is not a table of thresholds"):
        OnnxTagger(tmp_path, batch=1)


def test_joytag_pads_white_normalises_as_clip_and_leaves_the_sigmoid_to_us(tmp_path: Path) -> None:
    write_means(tmp_path, ["batch", 3, SIDE, SIDE], scale=-0.5)  # a white picture gives about -4
    (tmp_path / "top_tags.txt").write_text("1girl\nlong_hair\n\nhat\n")
    tagger = OnnxTagger(tmp_path, batch=2)
    assert (tagger.about.layout, tagger.about.gives_logits) == ("joytag", True)
    square = Image.new("RGB", (40, 40), "white")
    square.paste(WIDE, (0, 8))
    expected = planes(square.resize((SIDE, SIDE), Image.Resampling.BICUBIC), CLIP)
    assert tagger.prepare(WIDE) == pytest.approx(expected, abs=1e-6)
    logits = expected.mean(axis=(1, 2)) / -0.5
    names = ("general/1girl", "general/long_hair", "general/hat")
    assert flat(tagger, WIDE) == pytest.approx(dict(zip(names, map(sigmoid, logits), strict=True)), abs=KEPT)
    assert tagger.about.thresholds == {"general": 0.4}


def test_wd_v3_eva02_large_is_read_as_its_family(tmp_path: Path) -> None:
    """[N, side, side, 3] BGR 0..255, ratings first, characters last; no thresholds in its files."""
    write_csv(
        write_means(tmp_path, ["batch_size", SIDE, SIDE, 3]),
        ["9999999,general,9,0", "470575,1girl,0,9", "1001,hatsune_miku,4,8"],
    )
    tagger = OnnxTagger(tmp_path, batch=2)
    assert (tagger.about.layout, tagger.about.thresholds) == ("wd14", {})
    assert flat(tagger, Image.new("RGB", (9, 9), (255, 51, 0))) == pytest.approx(
        {"rating/general": 0.0, "general/1girl": 0.2, "character/hatsune_miku": 1.0}
    )
