"""Tagging: a network of a tagger's input and about its cost, on each of onnxruntime's devices."""

import time
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.gpu.cases import Bench
from benchmarks.gpu.running import Row

SIDE, TINY_SIDE, WIDTH, LAYERS = 448, 32, 96, 8
DEVICES = ("CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider")


def tagging(bench: Bench) -> Row:
    """Pictures a second of a chain of convolutions at 448 px, by device."""
    import onnxruntime

    side = TINY_SIDE if bench.tiny else SIDE
    model = _model(side, 2 if bench.tiny else LAYERS)
    picture = np.zeros((1, side, side, 3), np.float32)
    found: Row = {}
    for provider in DEVICES[:2]:
        if provider not in onnxruntime.get_available_providers():
            found[provider] = "not in this onnxruntime"
            continue
        session = onnxruntime.InferenceSession(model, providers=[provider])
        found[provider] = round(1 / _seconds(session, picture), 2)
    return found


def _seconds(session: Any, picture: np.ndarray) -> float:
    session.run(None, {"x": picture})
    started, times = time.perf_counter(), 3
    for _ in range(times):
        session.run(None, {"x": picture})
    return (time.perf_counter() - started) / times


def _model(side: int, layers: int) -> bytes:
    """[1, side, side, 3] -> 3x3 convolutions -> 100 scores."""
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.default_rng(0)
    widths = [3, *[WIDTH] * layers]
    weights = [
        numpy_helper.from_array(generator.normal(0, 0.02, (out, inside, 3, 3)).astype(np.float32), f"w{n}")
        for n, (inside, out) in enumerate(pairwise(widths))
    ]
    nodes = [helper.make_node("Transpose", ["x"], ["h0"], perm=[0, 3, 1, 2])]
    for n in range(layers):
        stride = 2 if n < 3 else 1
        nodes.append(
            helper.make_node(
                "Conv", [f"h{n}", f"w{n}"], [f"h{n + 1}"], pads=[1, 1, 1, 1], strides=[stride, stride]
            )
        )
    nodes.append(helper.make_node("GlobalAveragePool", [f"h{layers}"], ["y"]))
    graph = helper.make_graph(
        nodes, "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, side, side, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, WIDTH, 1, 1])],
        weights,
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(made.SerializeToString())
