"""Embeddings that A1111 stored in a PNG: base64 of JSON in the text chunk `sd-ti-embedding`, tensors as
nested lists under `TORCHTENSOR` (AUTOMATIC1111 modules/textual_inversion/image_embedding.py). The copy that
A1111 hides in the pixels, for sites that remove text chunks, is not read.
"""

import base64
import warnings
from pathlib import Path
from typing import Any

import torch
from PIL import Image, PngImagePlugin

from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.json_text import parse_json

EMBEDDING_CHUNK = "sd-ti-embedding"
TENSOR = "TORCHTENSOR"


def read_picture(path: Path) -> dict[str, Any]:
    """The content of the equivalent A1111 .pt. Raises UserError for a picture without an embedding."""
    with (
        reporting_damage(f"{path} is not a readable picture", "fetch the original file"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        with Image.open(path, formats=["PNG"]) as picture:
            text = (
                picture.text.get(EMBEDDING_CHUNK)
                if isinstance(picture, PngImagePlugin.PngImageFile)
                else None
            )
    if text is None:
        raise UserError(
            f"{path} has no embedding (no text chunk {EMBEDDING_CHUNK}); sites and editors remove such"
            " chunks: fetch the original file"
        )
    with reporting_damage(f"{path}: its chunk {EMBEDDING_CHUNK} is damaged", "fetch the file again"):
        read = _with_tensors(parse_json(base64.b64decode(text, validate=True)))
    if not isinstance(read, dict):
        raise UserError(
            f"{path}: its chunk {EMBEDDING_CHUNK} is damaged (not a mapping); fetch the file again"
        )
    return read


def _with_tensors(value: Any) -> Any:
    """Replaces each mapping that holds a tensor's numbers by the tensor."""
    if not isinstance(value, dict):
        return value
    if TENSOR in value:
        return torch.tensor(value[TENSOR], dtype=torch.float32)
    return {key: _with_tensors(inner) for key, inner in value.items()}
