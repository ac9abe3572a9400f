"""CCIP: features of drawn characters, and a network that gives the difference of two
(deepghs/imgutils imgutils/metrics/ccip.py: 384 px, bilinear, normalised by CLIP's mean and deviation).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import UserError
from pipeline.vision.encoders import CCIP_FEATURES, CCIP_METRICS, Features
from pipeline.vision.onnx_session import OnnxNetwork

SIDE_PX = 384
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


class CcipEncoder:
    """`folder` holds model_feat.onnx and model_metrics.onnx."""

    def __init__(self, folder: Path, batch: int) -> None:
        if not (folder / CCIP_METRICS).is_file():
            raise UserError(f"vision.encoder {folder}: {CCIP_METRICS} is missing; fetch it too")
        self.network = OnnxNetwork(folder / CCIP_FEATURES, "vision.encoder", batch)
        self.metrics = OnnxNetwork(folder / CCIP_METRICS, "vision.encoder")

    def features(self, pictures: Sequence[Image.Image]) -> Features:
        side = self.network.side_px or SIDE_PX
        return self.network.run(np.stack([_prepared(each, side) for each in pictures]))

    def likeness(self, one: Features, two: Features) -> NDArray[np.float64]:
        """1 - difference. The network takes all features at once and gives every pair."""
        both = np.concatenate([one, two])
        self.metrics.together = len(both)
        differences = self.metrics.run(both)
        return 1 - differences[: len(one), len(one) :].astype(np.float64)


def _prepared(picture: Image.Image, side_px: int) -> NDArray[np.float32]:
    small = picture.convert("RGB").resize((side_px, side_px), Image.Resampling.BILINEAR)
    x = np.asarray(small, np.float32) / np.float32(255)
    return np.ascontiguousarray(((x - MEAN) / DEVIATION).transpose(2, 0, 1))
