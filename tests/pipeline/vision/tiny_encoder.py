"""Small ONNX networks of pictures."""

import json
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

SQUARE: dict[str, Any] = {
    "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5], "resample": 3, "rescale_factor": 1 / 255,
    "size": {"height": 32, "width": 32},
}  # fmt: skip


def write_network(
    path: Path,
    nodes: list[onnx.NodeProto],
    shape: list[str | int],
    out: list[str | int],
    **weights: NDArray[Any],
) -> None:
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()]
    made = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        constants,
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def means(path: Path, side: int | str = 32) -> None:
    """A network whose features are the three channels' means."""
    node = helper.make_node("ReduceMean", ["pixel_values"], ["y"], axes=[2, 3], keepdims=0)
    write_network(path, [node], ["n", 3, side, side], ["n", 3])


def write_means(folder: Path) -> Path:
    """An encoder whose features are the three channels' means."""
    folder.mkdir(parents=True, exist_ok=True)
    means(folder / "model.onnx")
    (folder / "preprocessor_config.json").write_text(json.dumps(SQUARE))
    return folder
