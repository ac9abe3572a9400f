"""ESRGAN's network and Real-ESRGAN's compact one, by the names of their weights: what most upscalers are.

    RRDBNet          first -> blocks + trunk -> 2x nearest and a convolution, each -> hr -> last
    SRVGGNetCompact  convolutions and PReLUs -> pixel shuffle, + the picture, nearest

RRDB: three dense blocks of five convolutions, each and the whole added at 0.2 (Wang et al., ESRGAN,
arXiv:1809.00219). A network of 2x or 1x first folds 2x2 or 4x4 pixels into channels (Wang et al.,
Real-ESRGAN, arXiv:2107.10833). Three layouts of names are read: `model.0...`, `conv_first...` with `body.` or
`RRDB_trunk.`.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RESIDUAL, SLOPE = 0.2, 0.2
DENSE = re.compile(
    r"(?:body|RRDB_trunk|model\.1\.sub)\.([0-9]{1,3})\.(?:rdb|RDB)([0-9])\.conv([0-9])(?:\.0)?\.(weight|bias)"
)
OLD_TRUNK = re.compile(r"model\.1\.sub\.[0-9]{1,3}\.(weight|bias)")
OLD = re.compile(r"model\.([0-9]{1,3})\.(weight|bias)")
PLACES = {
    "conv_first": "first", "conv_body": "trunk", "trunk_conv": "trunk", "conv_up1": "ups.0",
    "upconv1": "ups.0", "conv_up2": "ups.1", "upconv2": "ups.1", "conv_hr": "hr",
    "HRconv": "hr", "conv_last": "last",
}  # fmt: skip
WRAPPERS = ("params_ema", "params", "state_dict")
FOLDS = {3: 1, 12: 2, 48: 4}
"""Pixels folded a side, by input channels."""


class RRDBNet(nn.Module):
    """[n, 3, height, width] -> `scale` times as large."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """`weights`: by the names of this module."""
        super().__init__()
        self.first, self.trunk = _conv(weights, "first"), _conv(weights, "trunk")
        self.body = nn.ModuleList(
            nn.ModuleList(
                nn.ModuleList(_conv(weights, f"body.{block}.{dense}.{n}") for n in range(5))
                for dense in range(3)
            )
            for block in range(_count(weights, "body"))
        )
        self.ups = nn.ModuleList(_conv(weights, f"ups.{n}") for n in range(_count(weights, "ups")))
        self.hr, self.last = _conv(weights, "hr"), _conv(weights, "last")
        self.fold = FOLDS[self.first.in_channels]
        self.scale = 2 ** len(self.ups) // self.fold
        self.load_state_dict(weights)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % self.fold, 0, -height % self.fold), "reflect")
        features = self.first(F.pixel_unshuffle(x, self.fold))
        inner = features
        for block in self.body:
            inner = inner + RESIDUAL * _in_turn(block, inner)
        features = features + self.trunk(inner)
        for up in self.ups:
            features = _leaky(up(F.interpolate(features, scale_factor=2.0, mode="nearest")))
        answer: Tensor = self.last(_leaky(self.hr(features)))
        return answer[:, :, : height * self.scale, : width * self.scale]


def _in_turn(block: nn.Module, x: Tensor) -> Tensor:
    for dense in block.children():
        *inner, last = dense.children()
        seen = x
        for conv in inner:
            seen = torch.cat([seen, _leaky(conv(seen))], 1)
        x = x + RESIDUAL * last(seen)
    return x


class Compact(nn.Module):
    """[n, 3, height, width] -> `scale` times as large."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """`weights`: `body.0.weight` ..., a PReLU behind each convolution but the last."""
        super().__init__()
        self.body = nn.Sequential(
            *(
                _conv(weights, f"body.{n}") if n % 2 == 0 else nn.PReLU(len(weights[f"body.{n}.weight"]))
                for n in range(_count(weights, "body"))
            )
        )
        self.scale = int((len(weights[f"body.{len(self.body) - 1}.weight"]) // 3) ** 0.5)
        self.load_state_dict(weights)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.body(x), self.scale) + F.interpolate(
            x, scale_factor=float(self.scale), mode="nearest"
        )


def esrgan(file: Mapping[str, Any]) -> RRDBNet | Compact | None:
    """The network of a file's weights; None where it is none of the two."""
    inner: Any = next((file[key] for key in WRAPPERS if isinstance(file.get(key), Mapping)), file)
    if not all(isinstance(value, Tensor) for value in inner.values()):
        return None
    weights = {name.removeprefix("module."): tensor.float() for name, tensor in inner.items()}
    try:
        if all(name.startswith("body.") for name in weights):
            return Compact(weights)
        lasts = sorted({int(match[1]) for name in weights if (match := OLD.fullmatch(name))})
        return RRDBNet({_named(name, lasts): tensor for name, tensor in weights.items()})
    except (KeyError, RuntimeError, IndexError, ZeroDivisionError):
        return None


def _named(name: str, numbers: list[int]) -> str:
    """RRDBNet's name here. `numbers`: of the old layout's outermost convolutions, first to last."""
    if match := DENSE.fullmatch(name):
        return f"body.{match[1]}.{int(match[2]) - 1}.{int(match[3]) - 1}.{match[4]}"
    if match := OLD_TRUNK.fullmatch(name):
        return f"trunk.{match[1]}"
    if match := OLD.fullmatch(name):
        order = ["first", *(f"ups.{n}" for n in range(len(numbers) - 3)), "hr", "last"]
        return f"{order[numbers.index(int(match[1]))]}.{match[2]}"
    place, _, leaf = name.rpartition(".")
    return f"{PLACES[place]}.{leaf}"


def _conv(weights: Mapping[str, Tensor], name: str) -> nn.Conv2d:
    weight = weights[f"{name}.weight"]
    return nn.Conv2d(weight.shape[1], weight.shape[0], int(weight.shape[2]), padding="same")


def _count(weights: Mapping[str, Tensor], place: str) -> int:
    return len({name.split(".")[1] for name in weights if name.startswith(f"{place}.")})


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)
