"""DeepDanbooru in torch, for the weights that AUTOMATIC1111 uses (AUTOMATIC1111/TorchDeepDanbooru,
model-resnet_custom_v3.pt).

A ResNet of bottlenecks: 1x1, 3x3, 1x1 convolutions and a shortcut. Keys are n_Conv_0 .. n_Conv_178 in
the order of the TensorFlow graph that the file was converted from (AUTOMATIC1111/stable-diffusion-webui
modules/deepbooru_model.py); batch norms are folded into the convolutions. TensorFlow's SAME padding puts the
odd pixel on the right and at the bottom.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.captions.interrogation import About, stacked
from pipeline.captions.labels import deepdanbooru_labels
from pipeline.captions.preprocessing import DEEPDANBOORU
from pipeline.device import best_device, make_repeatable
from pipeline.errors import UserError
from pipeline.files.pickled import read_pickled

DEEPDANBOORU_SIDE_PX = 512
STEM = 64


@dataclass(frozen=True)
class ResNetStage:
    """`blocks` bottlenecks; the first has a convolution as shortcut, and halves the picture by stride 2."""

    blocks: int
    width: int
    outputs: int
    stride: int
    shortcut_last: bool = False
    """The shortcut's convolution is numbered after the block's other three, else before them."""


STAGES = (
    ResNetStage(3, 64, 256, 1),
    ResNetStage(8, 128, 512, 2),
    ResNetStage(20, 256, 1024, 2),
    ResNetStage(20, 256, 1024, 2, shortcut_last=True),
    ResNetStage(3, 512, 2048, 2),
    ResNetStage(3, 1024, 4096, 2),
)


class DeepDanbooru(nn.Module):
    """[N, 512, 512, 3] RGB 0..1 -> [N, tags] probabilities."""

    def __init__(self, num_tags: int, stem: int = STEM, stages: Sequence[ResNetStage] = STAGES) -> None:
        super().__init__()
        self.blocks: list[tuple[int | None, tuple[int, int, int]]] = []
        self.count = 0
        self._conv(3, stem, 7, 2)
        inputs = stem
        for stage in stages:
            for number in range(stage.blocks):
                self._block(inputs, stage, first=number == 0)
                inputs = stage.outputs
        self.head = self._conv(inputs, num_tags, 1, bias=False)

    def _conv(self, inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True) -> int:
        """Adds the convolution with the next number; returns the number."""
        number, self.count = self.count, self.count + 1
        self.add_module(f"n_Conv_{number}", nn.Conv2d(inputs, outputs, kernel, stride, bias=bias))
        return number

    def _block(self, inputs: int, stage: ResNetStage, first: bool) -> None:
        stride, shortcut = stage.stride if first else 1, None
        if first and not stage.shortcut_last:
            shortcut = self._conv(inputs, stage.outputs, 1, stride)
        main = (
            self._conv(inputs, stage.width, 1),
            self._conv(stage.width, stage.width, 3, stride),
            self._conv(stage.width, stage.outputs, 1),
        )
        if first and stage.shortcut_last:
            shortcut = self._conv(inputs, stage.outputs, 1, stride)
        self.blocks.append((shortcut, main))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self._apply_conv(0, x.permute(0, 3, 1, 2)))
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 3, stride=2)
        for shortcut, (narrow, middle, wide) in self.blocks:
            y = F.relu(self._apply_conv(narrow, x))
            y = self._apply_conv(wide, F.relu(self._apply_conv(middle, y)))
            x = F.relu(y + (x if shortcut is None else self._apply_conv(shortcut, x)))
        return self._apply_conv(self.head, x).mean((2, 3)).sigmoid()

    def _apply_conv(self, number: int, x: Tensor) -> Tensor:
        """With TensorFlow's SAME padding of an even side: kernel - stride pixels, the odd one after."""
        conv = self.get_submodule(f"n_Conv_{number}")
        assert isinstance(conv, nn.Conv2d)
        before, after = divmod(max(0, conv.kernel_size[0] - conv.stride[0]), 2)
        result: Tensor = conv(F.pad(x, (before, before + after, before, before + after)))
        return result


class TorchDeepDanbooru:
    """Scores pictures; `weights` is the .pt file, which also holds the tags."""

    stack = staticmethod(stacked)

    def __init__(self, weights: Path, batch: int) -> None:
        make_repeatable()
        state = _read(weights)
        labels = deepdanbooru_labels([str(tag) for tag in state.pop("tags")], weights.parent)
        self.about = About("deepdanbooru-torch", DEEPDANBOORU.id, DEEPDANBOORU_SIDE_PX, tuple(labels))
        self.device = best_device()
        self.network = _network(weights, state, len(labels)).to(self.device)
        self.together = 1 if self.device.type == "cpu" else batch
        self._turn = Lock()

    def prepare(self, picture: Image.Image) -> NDArray[np.float32]:
        """[512, 512, 3] of one RGB picture."""
        return DEEPDANBOORU(picture, DEEPDANBOORU_SIDE_PX)

    def answers(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """[n, tags] probabilities of [n, 512, 512, 3]."""
        with self._turn, torch.inference_mode():
            y: NDArray[np.float32] = self.network(torch.from_numpy(x).to(self.device)).cpu().numpy()
        return y


def _read(weights: Path) -> dict[str, Any]:
    """The state dict; nothing in the file is run."""
    try:
        state = read_pickled(weights)
    except UserError as error:
        raise UserError(
            f"tag.model {weights}: cannot be read safely as weights ({error}); fetch"
            " model-resnet_custom_v3.pt again"
        ) from None
    tags = state.get("tags")
    if not isinstance(tags, list) or not tags or not all(isinstance(tag, str) for tag in tags):
        raise UserError(f"tag.model {weights}: no list `tags` in it; use model-resnet_custom_v3.pt")
    return state


def _network(weights: Path, state: dict[str, Tensor], num_tags: int) -> nn.Module:
    with torch.device("meta"):
        network = DeepDanbooru(num_tags)
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    actual = {key: tuple(value.shape) for key, value in state.items()}
    if wrong := sorted(
        key for key in expected.keys() | actual.keys() if expected.get(key) != actual.get(key)
    ):
        raise UserError(
            f"tag.model {weights}: {len(wrong)} weights do not fit DeepDanbooru v3 ({wrong[0]}: found"
            f" {actual.get(wrong[0])}, expected {expected.get(wrong[0])}); use model-resnet_custom_v3.pt"
        )
    network.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    return network.eval().requires_grad_(False)
