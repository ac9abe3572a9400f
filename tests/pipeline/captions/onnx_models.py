"""Taggers small enough to work out by hand, in every layout."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

CSV = ("1,safe,9,10", "2,greenish,0,9", "3,someone,4,8")


def write_tagger(folder: Path, batch: int | str, rows: int = 3) -> Path:
    """WD14's layout: it answers with the means of B, G and R over 255."""
    write_means(folder, [batch, 8, 8, 3])
    write_csv(folder, CSV[:rows])
    return folder


def write_means(folder: Path, shape: list[int | str], scale: float = 255.0, name: str = "model.onnx") -> Path:
    """A network that answers with each channel's mean over `scale`; the channels are the axis that has 3."""
    axes = [axis for axis in (1, 2, 3) if axis != shape.index(3)]
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=axes, keepdims=0),
        helper.make_node("Div", ["m", "k"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], 3])],
        [helper.make_tensor("k", TensorProto.FLOAT, [1], [scale])],
    )
    return _save(graph, folder, name)


def write_linear(
    folder: Path,
    shape: list[int | str],
    weights: NDArray[np.float32],
    sigmoid: bool,
    name: str = "model.onnx",
) -> Path:
    """A network that answers with x @ weights, x flattened; through a sigmoid where asked for."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], axis=1),
        helper.make_node("MatMul", ["f", "w"], ["z"]),
        helper.make_node("Sigmoid" if sigmoid else "Identity", ["z"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], weights.shape[1]])],
        [helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.ravel().tolist())],
    )
    return _save(graph, folder, name)


def write_csv(folder: Path, rows: tuple[str, ...] | list[str]) -> None:
    text = "\n".join(["tag_id,name,category,count", *rows, ""])
    (folder / "selected_tags.csv").write_text(text, encoding="utf-8")


def _save(graph: onnx.GraphProto, folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / name)
    return folder
