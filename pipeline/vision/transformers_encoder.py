"""Encoders as transformers saves them: DINOv2 and v3, CLIP, SigLIP, and any vision model with a pooled
output.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoConfig, AutoModel, CLIPModel, SiglipModel

from pipeline.device import best_device, make_repeatable
from pipeline.errors import UserError
from pipeline.vision.encoders import Features, cosines, load_processor, preprocessed
from pipeline.vision.pretrained import loading, moved, pretrained_model

_NEEDED = "config.json, model.safetensors and preprocessor_config.json"
_PAIRED = {"clip": CLIPModel, "siglip": SiglipModel}
"""Models of pictures and texts, of which the half for pictures is asked."""


class TransformersEncoder:
    """CLIP's features are its projected ones (CLIP-I), the others' their pooled ones: DINOv2's class token
    after the last norm, SigLIP's attention pooling.
    """

    def __init__(self, folder: Path, batch: int) -> None:
        make_repeatable()
        self.device, self.batch = best_device(), batch
        self.processor = load_processor(folder)
        with loading(f"vision.encoder {folder}: not an encoder", _NEEDED):
            kind = AutoConfig.from_pretrained(folder, local_files_only=True).model_type
            model = pretrained_model(_PAIRED.get(kind, AutoModel), folder)
        self.model: Any = moved(model, self.device)
        self.project = getattr(model, "visual_projection", None)
        self.half = self.model.vision_model if kind in _PAIRED else self.model

    @torch.inference_mode()
    def features(self, pictures: Sequence[Image.Image]) -> Features:
        together = 1 if self.device.type == "cpu" else self.batch
        rows = []
        for start in range(0, len(pictures), together):
            x = np.stack([preprocessed(self.processor, each) for each in pictures[start : start + together]])
            pooled = self.half(pixel_values=torch.from_numpy(x).to(self.device)).pooler_output
            pooled = self.project(pooled) if self.project else pooled
            rows.append(pooled.float().cpu().numpy())
        found = np.concatenate(rows)
        if not np.isfinite(found).all():
            raise UserError("vision.encoder gives numbers that are not finite; fetch the model again")
        return found

    def likeness(self, one: Features, two: Features) -> NDArray[np.float64]:
        return cosines(one, two)
