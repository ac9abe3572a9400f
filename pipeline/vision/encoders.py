"""Encoders: networks that turn a picture into features, so that likeness is a number. One interface for ONNX
files and transformers' folders.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.schemas import VisionConfig
from pipeline.vision.models import VisionModel, located

ENCODER_FILES = ("config.json", "preprocessor_config.json", "*.safetensors", "*.onnx", "meta.json")
CCIP_FEATURES, CCIP_METRICS = "model_feat.onnx", "model_metrics.onnx"
Features = NDArray[np.float32]
"""[pictures, features]."""
SHORTEST = 1e-12
"""Length below which features are taken as 0."""


class Encoder(Protocol):
    """`features` of one picture depend on no other picture."""

    def features(self, pictures: Sequence[Image.Image]) -> Features:
        """[pictures, features] of RGB pictures."""

    def likeness(self, one: Features, two: Features) -> NDArray[np.float64]:
        """[one, two], at most 1: how alike each picture of `one` is to each of `two`."""


def encoder_model(config: VisionConfig) -> VisionModel | None:
    """The configured encoder, checked against its hash; None without one."""
    if config.encoder is None:
        return None
    return located("vision.encoder", config.encoder, config.encoder_sha256, ENCODER_FILES)


def open_encoder(model: VisionModel, batch: int) -> Encoder:
    """By its files: CCIP's two networks, an ONNX file, or a transformers folder; else a user error."""
    with reporting_damage(f"vision.encoder {model.name} is not a readable encoder"):
        if (model.path / CCIP_FEATURES).is_file():
            from pipeline.vision.ccip import CcipEncoder

            return CcipEncoder(model.path, batch)
        if any(model.path.glob("*.onnx")):
            from pipeline.vision.onnx_encoder import OnnxEncoder

            return OnnxEncoder(model.path, batch)
        if (model.path / "config.json").is_file():
            from pipeline.vision.transformers_encoder import TransformersEncoder

            return TransformersEncoder(model.path, batch)
    raise UserError(
        f"vision.encoder {model.name}: wanted a folder with config.json, model.safetensors and"
        " preprocessor_config.json (transformers), with one .onnx file and preprocessor_config.json, or with"
        f" {CCIP_FEATURES} and {CCIP_METRICS} (CCIP)"
    )


def cosines(one: Features, two: Features) -> NDArray[np.float64]:
    """[one, two]; features that are all 0 are like nothing."""
    return np.asarray(unit(one) @ unit(two).T, np.float64)


def unit(features: Features) -> NDArray[np.float64]:
    """[pictures, features] of length 1, or all 0."""
    x = features.astype(np.float64)
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), SHORTEST), np.float64)


def preprocessed(processor: Any, picture: Image.Image) -> NDArray[np.float32]:
    """[3, height, width] by an image processor of transformers."""
    pixels = processor(picture.convert("RGB"), return_tensors="np")["pixel_values"][0]
    return np.ascontiguousarray(pixels, np.float32)


def load_processor(folder: Path) -> Any:
    """The image processor of the folder, by PIL; preprocessor_config.json decides which. Without the name of
    a class it is a plain resize, rescale and normalisation.
    """
    from pipeline.vision.pretrained import loading

    with loading(f"vision.encoder {folder}: not an image processor", "preprocessor_config.json"):
        import json

        from transformers import AutoImageProcessor, ViTImageProcessorPil

        settings = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
        if "image_processor_type" not in settings and "feature_extractor_type" not in settings:
            return ViTImageProcessorPil.from_pretrained(folder, local_files_only=True)
        return AutoImageProcessor.from_pretrained(
            folder, backend="pil", local_files_only=True, trust_remote_code=False
        )
