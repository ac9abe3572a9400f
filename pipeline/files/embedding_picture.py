"""Embeddings that A1111 put into a PNG: base64 of JSON in the text chunk `sd-ti-embedding`, tensors as nested
lists under `TORCHTENSOR` (AUTOMATIC1111 modules/textual_inversion/image_embedding.py). The copy that A1111
hides in the pixels, for sites that remove text chunks, is not read.
"""

import base64
import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from pipeline.errors import UserError

CHUNK = "sd-ti-embedding"
TENSOR = "TORCHTENSOR"


def read_picture(path: Path) -> dict[str, Any]:
    """What A1111's .pt would hold. Raises UserError for a picture without an embedding."""
    try:
        with Image.open(path) as picture:
            text = picture.text.get(CHUNK) if isinstance(picture, PngImagePlugin.PngImageFile) else None
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        raise UserError(f"{path}: no readable picture ({error})") from error
    if text is None:
        raise UserError(
            f"{path} holds no embedding: it has no text chunk {CHUNK}; sites and editors remove such"
            " chunks, so fetch the original file"
        )
    try:
        read = json.loads(base64.b64decode(text, validate=True), object_hook=_tensor)
    except ValueError as error:
        raise UserError(f"{path}: its chunk {CHUNK} is damaged ({error}); fetch the file again") from error
    if not isinstance(read, dict):
        raise UserError(f"{path}: its chunk {CHUNK} is damaged (no mapping); fetch the file again")
    return read


def _tensor(values: dict[str, Any]) -> dict[str, Any] | Tensor:
    if TENSOR not in values:
        return values
    try:
        return torch.tensor(values[TENSOR], dtype=torch.float32)
    except TypeError as error:
        raise ValueError(f"{TENSOR} holds no numbers") from error
