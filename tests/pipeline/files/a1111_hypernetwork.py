"""A hypernetwork file as AUTOMATIC1111 1.7 writes it, made from the layout alone."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SETTINGS = {
    "step": 500, "name": "old", "layer_structure": [1, 2, 1], "activation_func": "relu",
    "is_layer_norm": False, "weight_initialization": "Normal", "sd_checkpoint": "abcd1234",
    "sd_checkpoint_name": "model", "activate_output": False, "use_dropout": False,
    "dropout_structure": [0, 0, 0], "last_layer_dropout": False, "optional_info": None,
}  # fmt: skip


def mlp(up: list[list[float]], down: list[list[float]], bias: list[float]) -> "OrderedDict[str, Tensor]":
    """Two linears; the relu between them takes the place 1."""
    return OrderedDict(
        [
            ("linear.0.weight", torch.tensor(up)),
            ("linear.0.bias", torch.zeros(len(up))),
            ("linear.2.weight", torch.tensor(down)),
            ("linear.2.bias", torch.tensor(bias)),
        ]
    )


def save_a1111(layers: Mapping[int, object], path: Path, **changes: Any) -> None:
    """Layers by width, and the settings."""
    content: dict[Any, Any] = {**layers}
    torch.save(content | SETTINGS | changes, path)


def two_wide(path: Path, **changes: Any) -> None:
    """For a context of two numbers (a, b): k from (a + max(a, 0), b + max(-b, 0)), v from (a + 1, b +
    2 max(a, 0)).
    """
    up = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    k = mlp(up, [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]], [0.0, 0.0])
    v = mlp(up, [[0.0, 0.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0]], [1.0, 0.0])
    save_a1111({2: (k, v)}, path, **changes)


def random_mlp(width: int, seed: int) -> "OrderedDict[str, Tensor]":
    generator = torch.Generator().manual_seed(seed)
    shapes = {"linear.0": (2 * width, width), "linear.2": (width, 2 * width)}
    return OrderedDict(
        (f"{name}.{leaf}", torch.randn(shape if leaf == "weight" else shape[:1], generator=generator) * 0.3)
        for name, shape in shapes.items()
        for leaf in ("weight", "bias")
    )
