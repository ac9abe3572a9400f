"""Whether the second text encoder's projection of an SDXL file is the right way round. No torch.

OpenCLIP multiplies a row vector by the matrix, transformers' linear layer has its transpose; it is square, so
no shape tells. Some trainers write it the wrong way round, and every tool then reads wrong pooled vectors.
Fine-tunes hardly change it, so that the published base's first numbers tell
(Stability-AI/generative-models issue 111).
"""

import shutil
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.bases.prediction import numbers_at
from pipeline.errors import UserError
from pipeline.files.atomic import new_file
from pipeline.files.safetensors_header import WIDTHS, Header, TensorEntry, read_header

Orientation = Literal["right", "transposed"]
XL_PROJECTION_KEY = "conditioner.embedders.1.model.text_projection"
FOLDER_FILE, FOLDER_KEY = "text_encoder_2/model.safetensors", "text_projection.weight"
"""The matrix in a diffusers folder, as transformers has it."""
PUBLISHED = np.array([[-0.0348, 0.0218, -0.0025], [-0.0037, 0.0202, -0.0014], [0.0261, -0.0221, -0.0099]])
"""Rows and columns 0 to 2 of the published base."""
NEAR_PUBLISHED = 0.003
"""How far a fine-tune's numbers may be from them. The two ways round differ by 0.0276 at most."""


def orientation(path: Path, entry: TensorEntry | None) -> Orientation | None:
    """None where the numbers are those of neither: another encoder, or one that was trained far."""
    if entry is None or entry.shape != (1280, 1280):
        return None
    rows = [numbers_at(path, entry, row * entry.shape[1], len(PUBLISHED)) for row in range(len(PUBLISHED))]
    if any(row is None for row in rows):
        return None
    corner = np.array(rows, dtype=float)
    if np.abs(corner - PUBLISHED).max() < NEAR_PUBLISHED:
        return "right"
    return "transposed" if np.abs(corner.T - PUBLISHED).max() < NEAR_PUBLISHED else None


def is_transposed(base: Path, header: Header) -> bool:
    """Whether a single file's matrix is the wrong way round; `header`: the file's."""
    return orientation(base, header.tensors.get(XL_PROJECTION_KEY)) == "transposed"


def transposed_in(folder: Path) -> bool:
    """Whether a diffusers folder's matrix is the wrong way round: as single files have it."""
    path = folder / FOLDER_FILE
    entry = read_header(path).tensors.get(FOLDER_KEY) if path.is_file() else None
    return orientation(path, entry) == "right"


def turn_round(source: Path, target: Path) -> None:
    """Writes a copy of the file with the matrix the other way round; nothing else changes."""
    tensors = read_header(source).tensors
    entry = tensors.get(XL_PROJECTION_KEY) or tensors.get(FOLDER_KEY)
    if entry is None or len(entry.shape) != 2 or entry.shape[0] != entry.shape[1]:
        raise UserError(f"{source} has no square {XL_PROJECTION_KEY}; there is nothing to turn round")
    side, width = entry.shape[0], WIDTHS[entry.dtype]
    with new_file(target) as part:
        shutil.copyfile(source, part)
        with part.open("r+b") as file:
            file.seek(entry.offset)
            numbers = np.frombuffer(file.read(side * side * width), f"V{width}").reshape(side, side)
            file.seek(entry.offset)
            file.write(numbers.T.tobytes())
