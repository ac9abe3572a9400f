"""Aesthetic scores: a head on an encoder's features, or a whole network in ONNX.

Heads are those of LAION (christophschuhmann/improved-aesthetic-predictor simple_inference.py: layers without
activations, on CLIP ViT-L/14's features of unit length, scores of 1-10) and any other of linear layers.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.schemas import VisionConfig
from pipeline.vision.encoders import Features, unit
from pipeline.vision.models import VisionModel, located
from pipeline.vision.onnx_session import OnnxNetwork

HEAD_FILES = ("*.safetensors", "*.onnx")
WANTED = "wanted a .safetensors file of linear layers (`weight` and `bias`, or `layers.0.weight` ...)"


def aesthetic_model(config: VisionConfig) -> VisionModel | None:
    """The configured head or network, checked against its hash; None without one."""
    if config.aesthetic is None:
        return None
    return located("vision.aesthetic", config.aesthetic, config.aesthetic_sha256, HEAD_FILES)


def open_head(model: VisionModel) -> "LinearHead | OnnxScorer":
    """By its file; a folder, such as one of the hub, may hold one of either kind."""
    heads = sorted(model.path.glob("*.safetensors")) if model.path.is_dir() else [model.path]
    if len(heads) == 1 and heads[0].suffix == ".safetensors":
        return LinearHead(heads[0])
    return OnnxScorer(model.path)


class LinearHead:
    """Linear layers one after the other; a single logit without a scale of its own becomes a probability."""

    def __init__(self, path: Path) -> None:
        from safetensors.numpy import load_file

        with reporting_damage(f"vision.aesthetic {path} is not a readable head; {WANTED}"):
            tensors = load_file(path)
        names = sorted({name.rpartition(".")[0] for name in tensors}, key=_place)
        try:
            self.layers = [(_part(tensors, name, "weight"), _part(tensors, name, "bias")) for name in names]
        except KeyError as error:
            raise UserError(f"vision.aesthetic {path}: no {error}; {WANTED}") from None
        for weight, bias in self.layers:
            if weight.ndim != 2 or bias.shape != weight.shape[:1]:
                shapes = f"{list(weight.shape)} and {list(bias.shape)}"
                raise UserError(f"vision.aesthetic {path}: {shapes} are no linear layer; {WANTED}")
            if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
                raise UserError(f"vision.aesthetic {path} has numbers that are not finite; fetch it again")
        if not self.layers or self.layers[-1][0].shape[0] != 1:
            raise UserError(f"vision.aesthetic {path}: its last layer does not give one score; {WANTED}")
        self.path, self.is_scaled = path, len(self.layers) > 1

    def scores(self, features: Features) -> NDArray[np.float64]:
        """[pictures]: 0-1."""
        x = unit(features)
        for weight, bias in self.layers:
            if weight.shape[1] != x.shape[1]:
                raise UserError(
                    f"vision.aesthetic {self.path} reads {weight.shape[1]} features, but the encoder gives"
                    f" {x.shape[1]}; use the head of this encoder"
                )
            x = x @ weight.T.astype(np.float64) + bias
        score = x[:, 0]
        shares = np.clip(score / 10, 0, 1) if self.is_scaled else 1 / (1 + np.exp(-score.clip(-80, 80)))
        return np.asarray(shares, np.float64)


class OnnxScorer:
    """A whole network: RGB 0-1 of its own square side in, one score out."""

    def __init__(self, folder: Path) -> None:
        files = [folder] if folder.is_file() else sorted(folder.glob("*.onnx"))
        if len(files) != 1:
            raise UserError(f"vision.aesthetic {folder}: wanted one .onnx file, found {len(files)}")
        self.network = OnnxNetwork(files[0], "vision.aesthetic")

    def scores(self, pictures: Sequence[Image.Image]) -> NDArray[np.float64]:
        """[pictures]: as the network gives them."""
        side = self.network.side_px
        if side is None:
            raise UserError(f"vision.aesthetic {self.network.path} takes any side; name a network with one")
        x = np.stack([padded(each, side) for each in pictures])
        return self.network.run(x).reshape(len(pictures), -1)[:, 0].astype(np.float64)


def padded(picture: Image.Image, side_px: int) -> NDArray[np.float32]:
    """[3, side, side] of 0-1: the whole picture on a black square (skytnt/anime-aesthetic app.py)."""
    scale = side_px / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    small = picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    square = Image.new("RGB", (side_px, side_px))
    square.paste(small, ((side_px - width) // 2, (side_px - height) // 2))
    return np.ascontiguousarray(np.asarray(square, np.float32).transpose(2, 0, 1) / np.float32(255))


def _place(name: str) -> tuple[int, str]:
    digits = "".join(each for each in name if each.isdecimal())
    return int(digits or 0), name


def _part(tensors: dict[str, NDArray[np.float32]], name: str, part: str) -> NDArray[np.float32]:
    return tensors[f"{name}.{part}" if name else part]
