"""Encoders of small random weights, in the layouts of the published ones, against the library's own code."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image
from safetensors.torch import save_file
from skimage import data as photographs
from transformers import (
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    SiglipConfig,
    SiglipModel,
)

from pipeline.errors import UserError
from pipeline.vision.aesthetic_head import LinearHead, OnnxScorer, open_head
from pipeline.vision.encoders import Encoder, cosines, open_encoder
from pipeline.vision.models import VisionModel
from tests.pipeline.vision.tiny_encoder import SQUARE, means, write_network

ASTRONAUT = Image.fromarray(photographs.astronaut())
CAT = Image.fromarray(photographs.chelsea())
SMALL: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
TEXT: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "vocab_size": 50, "max_position_embeddings": 8,
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "dinov2": {
        "image_processor_type": "BitImageProcessor", "crop_size": {"height": 32, "width": 32},
        "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True,
        "do_resize": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
        "resample": 3, "rescale_factor": 1 / 255, "size": {"shortest_edge": 36},
    },
    "clip": {
        "image_processor_type": "CLIPImageProcessor", "crop_size": 32, "do_center_crop": True,
        "do_normalize": True, "do_resize": True, "image_mean": [0.48, 0.46, 0.41],
        "image_std": [0.27, 0.26, 0.28], "resample": 3, "size": 32,
    },
    "siglip": {**SQUARE, "image_processor_type": "SiglipImageProcessor"},
}  # fmt: skip


def write_encoder(folder: Path, kind: str) -> Any:
    torch.manual_seed(0)
    made: dict[str, Any] = {
        "dinov2": Dinov2Model(Dinov2Config(**SMALL)),
        "clip": CLIPModel(CLIPConfig(text_config=TEXT, vision_config=SMALL, projection_dim=12)),
        "siglip": SiglipModel(SiglipConfig(text_config=TEXT, vision_config=SMALL)),
    }
    model = made[kind].eval()
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(SETTINGS[kind]))
    return model


def opened(folder: Path, batch: int = 1) -> Encoder:
    return open_encoder(VisionModel("vision.encoder", str(folder), folder, "0" * 64), batch)


def pixels(kind: str, picture: Image.Image) -> torch.Tensor:
    """[1, 3, 32, 32]: the settings' steps, one by one."""
    settings = SETTINGS[kind]
    if kind == "siglip":
        small = picture.resize((32, 32), Image.Resampling.BICUBIC)
    else:
        edge = 36 if kind == "dinov2" else 32
        scale = edge / min(picture.size)
        width, height = (edge if side == min(picture.size) else int(side * scale) for side in picture.size)
        whole = picture.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - 32) // 2, (height - 32) // 2
        small = whole.crop((left, top, left + 32, top + 32))
    x = np.asarray(small, np.float32) / 255
    x = (x - np.array(settings["image_mean"], np.float32)) / np.array(settings["image_std"], np.float32)
    return torch.from_numpy(x.transpose(2, 0, 1))[None]


@pytest.mark.parametrize("kind", ["dinov2", "clip", "siglip"])
def test_features_are_those_of_the_library(tmp_path: Path, kind: str) -> None:
    model = write_encoder(tmp_path, kind)
    found = opened(tmp_path).features([ASTRONAUT, CAT])
    with torch.no_grad():
        x = torch.cat([pixels(kind, ASTRONAUT), pixels(kind, CAT)])
        if kind == "clip":
            wanted = model.visual_projection(model.vision_model(pixel_values=x).pooler_output)
        elif kind == "siglip":
            wanted = model.vision_model(pixel_values=x).pooler_output
        else:
            wanted = model(pixel_values=x).pooler_output
    assert found.shape == wanted.shape
    assert np.abs(found - wanted.numpy()).max() < 2e-4 * np.abs(wanted.numpy()).max()


def test_a_pictures_features_do_not_depend_on_the_others(tmp_path: Path) -> None:
    write_encoder(tmp_path, "dinov2")
    encoder = opened(tmp_path, batch=8)
    assert np.array_equal(encoder.features([ASTRONAUT, CAT])[1], encoder.features([CAT])[0])
    likeness = encoder.likeness(encoder.features([ASTRONAUT, CAT]), encoder.features([ASTRONAUT]))
    assert likeness.shape == (2, 1)
    assert likeness[0, 0] == pytest.approx(1.0)
    assert likeness[1, 0] < likeness[0, 0]


def test_an_onnx_encoder_takes_its_own_preprocessing(tmp_path: Path) -> None:
    means(tmp_path / "model.onnx")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(SETTINGS["siglip"]))
    found = opened(tmp_path).features([ASTRONAUT, CAT])
    wanted = torch.cat([pixels("siglip", each) for each in (ASTRONAUT, CAT)]).mean(dim=(2, 3)).numpy()
    assert np.abs(found - wanted).max() < 1e-5


def test_ccip_gives_one_less_the_difference_of_its_second_network(tmp_path: Path) -> None:
    means(tmp_path / "model_feat.onnx", 48)
    nodes = [
        helper.make_node("Unsqueeze", ["pixel_values", "one"], ["a"]),
        helper.make_node("Unsqueeze", ["pixel_values", "zero"], ["b"]),
        helper.make_node("Sub", ["a", "b"], ["d"]),
        helper.make_node("ReduceL1", ["d"], ["y"], axes=[2], keepdims=0),
    ]
    zero, one = np.array([0], np.int64), np.array([1], np.int64)
    write_network(tmp_path / "model_metrics.onnx", nodes, ["n", 3], ["n", "n"], zero=zero, one=one)
    encoder = opened(tmp_path)
    features = encoder.features([ASTRONAUT, CAT])
    likeness = encoder.likeness(features, features[:1])
    assert likeness[:, 0] == pytest.approx([1.0, 1 - np.abs(features[1] - features[0]).sum()], abs=1e-5)
    white = encoder.features([Image.new("RGB", (9, 7), "white")])[0]
    assert white == pytest.approx(
        [(1 - 0.48145466) / 0.26862954, (1 - 0.4578275) / 0.26130258, 2.1459], rel=1e-3
    )


def test_what_is_no_encoder_is_told_with_what_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(UserError, match=r"wanted a folder with config\.json.*model_feat\.onnx"):
        opened(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "dinov2"}')
    (tmp_path / "preprocessor_config.json").write_text("{}")
    with pytest.raises(UserError, match="not an encoder of transformers that loads"):
        opened(tmp_path)


def test_a_linear_head_is_a_probability(tmp_path: Path) -> None:
    save_file(
        {"weight": torch.tensor([[2.0, 0.0]]), "bias": torch.tensor([-1.0])}, tmp_path / "a.safetensors"
    )
    scores = LinearHead(tmp_path / "a.safetensors").scores(np.array([[3.0, 4.0]], np.float32))
    assert scores == pytest.approx([1 / (1 + np.exp(-(2 * 0.6 - 1)))])


def test_laions_layers_follow_one_another_and_give_1_to_10(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers: Any = torch.nn.Sequential(
        torch.nn.Linear(4, 3), torch.nn.Dropout(0.2), torch.nn.Linear(3, 1)
    ).eval()
    features = np.array([[1.0, 2.0, -1.0, 0.5]], np.float32)
    with torch.no_grad():
        layers[2].bias += 5
        save_file({f"layers.{k}": v for k, v in layers.state_dict().items()}, tmp_path / "a.safetensors")
        wanted = layers(torch.from_numpy(features / np.linalg.norm(features))) / 10
    assert LinearHead(tmp_path / "a.safetensors").scores(features) == pytest.approx(
        wanted[0].numpy(), rel=1e-6
    )


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"weight": torch.ones(1, 2)}, "no 'bias'"),
        ({"weight": torch.ones(2, 2), "bias": torch.ones(2)}, "does not give one score"),
        ({"weight": torch.ones(1, 2), "bias": torch.ones(3)}, r"\[1, 2\] and \[3\] are no linear layer"),
        ({"weight": torch.tensor(1.0), "bias": torch.ones(1)}, "are no linear layer"),
        ({"weight": torch.ones(1, 2, 1, 1), "bias": torch.ones(1)}, "are no linear layer"),
        ({"weight": torch.full((1, 2), float("nan")), "bias": torch.ones(1)}, "not finite"),
        ({"weight": torch.ones(1, 5), "bias": torch.ones(1)}, "reads 5 features, but the encoder gives 2"),
    ],
)
def test_a_head_that_does_not_fit(tmp_path: Path, tensors: dict[str, torch.Tensor], reason: str) -> None:
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=reason):
        LinearHead(tmp_path / "a.safetensors").scores(np.ones((1, 2), np.float32))


def test_a_whole_network_scores_the_whole_picture(tmp_path: Path) -> None:
    node = helper.make_node("ReduceMean", ["pixel_values"], ["y"], axes=[1, 2, 3], keepdims=0)
    write_network(tmp_path / "model.onnx", [node], ["n", 3, 32, 32], ["n"])
    white = Image.new("RGB", (64, 32), "white")
    assert OnnxScorer(tmp_path).scores([white]) == pytest.approx([0.5])  # half is the black square


def test_cosines_by_hand() -> None:
    one, two = np.array([[3.0, 4.0]], np.float32), np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    assert cosines(one, two)[0] == pytest.approx([0.6, 0.8])


def test_features_that_are_all_0_are_like_nothing() -> None:
    zeros = np.zeros((1, 2), np.float32)
    assert cosines(zeros, np.ones((1, 2), np.float32)).tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (
            ["n", 3, 48, 48],
            r"reads \['n', 3, 48, 48\], but is given \[1, 3, 32, 32\]; correct vision.encoder",
        ),
        (["n", 32, 32, 3], r"reads \['n', 32, 32, 3\], but is given"),
        ([2, 3, 32, 32], r"reads \[2, 3, 32, 32\], but is given"),
    ],
)
def test_an_onnx_encoder_of_another_input_says_what_it_reads(
    tmp_path: Path, shape: list[str | int], reason: str
) -> None:
    node = helper.make_node("ReduceMean", ["pixel_values"], ["y"], axes=[2, 3], keepdims=0)
    write_network(tmp_path / "model.onnx", [node], shape, ["n", "m"])
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(SETTINGS["siglip"]))
    with pytest.raises(UserError, match=reason):
        opened(tmp_path).features([CAT])


def test_an_onnx_encoder_of_one_number_for_all_pictures_is_none(tmp_path: Path) -> None:
    node = helper.make_node("ReduceMean", ["pixel_values"], ["y"], keepdims=0)
    write_network(tmp_path / "model.onnx", [node], ["n", 3, 32, 32], [])
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(SETTINGS["siglip"]))
    with pytest.raises(UserError, match="wanted features"):
        opened(tmp_path).features([CAT])


def test_an_onnx_encoder_that_reads_texts_too_is_refused(tmp_path: Path) -> None:
    inputs = [
        helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, 32, 32]),
        helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", 77]),
    ]
    node = helper.make_node("ReduceMean", ["pixel_values"], ["y"], axes=[2, 3], keepdims=0)
    made = helper.make_graph(
        [node], "network", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])]
    )
    onnx.save(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
        tmp_path / "model.onnx",
    )
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(SETTINGS["siglip"]))
    with pytest.raises(UserError, match=r"input_ids .*int64.*; name a network that reads pictures alone"):
        opened(tmp_path)


def test_a_head_may_lie_in_a_folder(tmp_path: Path) -> None:
    def of(path: Path) -> LinearHead | OnnxScorer:
        return open_head(VisionModel("vision.aesthetic", str(path), path, "0" * 64))

    head = tmp_path / "head/a.safetensors"
    head.parent.mkdir()
    save_file({"weight": torch.ones(1, 2), "bias": torch.ones(1)}, head)
    assert isinstance(of(head), LinearHead)
    assert isinstance(of(head.parent), LinearHead)
    means(tmp_path / "model.onnx")
    assert isinstance(of(tmp_path), OnnxScorer)


def test_features_that_are_no_numbers_are_a_sentence(tmp_path: Path) -> None:
    write_encoder(tmp_path, "dinov2")
    encoder: Any = opened(tmp_path)
    next(iter(encoder.model.parameters())).data.fill_(float("nan"))
    with pytest.raises(UserError, match="encoder gives numbers that are not finite"):
        encoder.features([CAT])
