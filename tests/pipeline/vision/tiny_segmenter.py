"""Small ONNX networks with the inputs and outputs of published segmentation networks: what is bright is the
subject.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

SHARPNESS = 20.0


def write_segmenter(
    path: Path, side: int | str, threshold: float, outputs: int = 1, *, logits: bool = False
) -> Path:
    """`threshold`: the normalised level between ground and subject. U2-Net gives seven outputs of
    probabilities, the first the finest; IS-Net one; BiRefNet one of logits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["grey", "threshold"], ["centred"]),
        helper.make_node("Mul", ["centred", "sharpness"], ["logits"]),
        helper.make_node("Identity" if logits else "Sigmoid", ["logits"], ["d0"]),
        *(helper.make_node("Mul", ["d0", "zero"], [f"d{number}"]) for number in range(1, outputs)),
    ]
    values = {"threshold": threshold, "sharpness": SHARPNESS, "zero": 0.0}
    constants = [
        onnx.numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in values.items()
    ]
    shape = [1, 1, side, side]
    graph = helper.make_graph(
        nodes,
        "segmenter",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info(f"d{n}", TensorProto.FLOAT, shape) for n in range(outputs)],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
