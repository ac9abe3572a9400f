"""Encoders as ONNX, in the layout of optimum's exports: `pixel_values` in, features out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import UserError
from pipeline.vision.encoders import Features, cosines, load_processor, preprocessed
from pipeline.vision.onnx_session import OnnxNetwork

OUTPUTS = ("image_embeds", "pooler_output", "last_hidden_state")
"""The first that an export has. Of states [n, tokens, features] the first token counts: DINOv2's."""


class OnnxEncoder:
    """`folder` holds one .onnx file and preprocessor_config.json."""

    def __init__(self, folder: Path, batch: int) -> None:
        files = sorted(folder.glob("*.onnx"))
        if len(files) != 1:
            names = ", ".join(each.name for each in files)
            raise UserError(f"vision.encoder {folder}: {names}: leave one .onnx file there")
        self.network = OnnxNetwork(files[0], "vision.encoder", batch, OUTPUTS)
        self.processor = load_processor(folder)

    def features(self, pictures: Sequence[Image.Image]) -> Features:
        y = self.network.run(np.stack([preprocessed(self.processor, each) for each in pictures]))
        if y.ndim == 3:
            y = y[:, 0]
        if y.ndim != 2:
            raise UserError(
                f"vision.encoder {self.network.path} gives {y.ndim - 1} dimensions a picture; wanted features"
            )
        return y

    def likeness(self, one: Features, two: Features) -> NDArray[np.float64]:
        return cosines(one, two)
