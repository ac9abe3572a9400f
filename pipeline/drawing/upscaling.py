"""Upscaler networks (ESRGAN, Real-ESRGAN and others) by path, for RGB, in blended tiles.

spandrel recognises and loads them. It is an extra, `upscale`, because it needs torchvision, whose build must
match torch's (CPU or CUDA).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pipeline.bases.latents import pixels, unpixels
from pipeline.errors import UserError
from pipeline.files.damage import reason_of, reporting_damage
from pipeline.files.pickled import read_pickled
from pipeline.networks.network_files import read_weights

EXTRA = 'pip install "athanor[upscale]"'
TILE_PX, OVERLAP_PX = 256, 32
"""Pixels of the input; larger tiles: more memory, fewer seams."""
MAX_TURNS = 3
"""A 2x network runs again, at most this often, while the picture is too small; a 1x network, which only
restores, runs once. Lanczos does the rest.
"""


@dataclass(frozen=True)
class Upscaler:
    """`network` enlarges [1, 3, height, width] in 0..1 by `scale`."""

    network: Callable[[Tensor], Tensor]
    scale: int
    device: torch.device


def load_upscaler(path: Path, device: torch.device) -> Upscaler:
    """From a .safetensors or .pth file. Raises UserError if it is missing, damaged or not an upscaler."""
    if not path.is_file():
        raise UserError(f"{path}: no such upscaler network; give the path of a .safetensors or .pth file")
    with reporting_damage(f"{path} cannot be read as an upscaler network"):
        return _upscaler(path, device)


def _upscaler(path: Path, device: torch.device) -> Upscaler:
    weights, spandrel = _weights(path), _spandrel(path)
    try:
        model = spandrel.ModelLoader(device).load_from_state_dict(weights)
    except spandrel.UnsupportedModelError as error:
        raise UserError(f"{path} is not an upscaler network of a known kind") from error
    if not isinstance(model, spandrel.ImageModelDescriptor) or model.input_channels != 3:
        raise UserError(f"{path} does not enlarge RGB pictures ({model.architecture.name})")
    return Upscaler(model.eval(), model.scale, device)


def _spandrel(path: Path) -> Any:
    """The optional library. Importing it fails if torchvision's build does not match torch's."""
    try:
        import spandrel
    except ModuleNotFoundError as error:
        raise UserError(
            f"{path}: reading an upscaler network needs {error.name}, which is not installed; run `{EXTRA}`,"
            " or set the upscaler to `latent`"
        ) from None
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(
            f"{path}: reading an upscaler network needs spandrel, which does not load ({reason_of(error)});"
            f" torchvision must be the build for torch {torch.__version__}: install it from the index that"
            " torch came from, or set the upscaler to `latent`"
        ) from None
    return spandrel


def _weights(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        return read_weights(path)
    return read_pickled(path)


@torch.no_grad()
def upscaled(upscaler: Upscaler, picture: Image.Image, width: int, height: int) -> Image.Image:
    """The picture at width x height px: runs the network until it is large enough, then Lanczos."""
    for _ in range(MAX_TURNS if upscaler.scale > 1 else 1):
        if picture.width >= width and picture.height >= height:
            break
        values = (pixels(picture).to(upscaler.device) + 1) / 2
        (picture,) = unpixels(tiled(upscaler, values)[None] * 2 - 1)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def tiled(upscaler: Upscaler, picture: Tensor, tile: int = TILE_PX, overlap: int = OVERLAP_PX) -> Tensor:
    """[3, height, width] in 0..1 -> `scale` times as large, tile by tile. Overlapping tiles fade out towards
    their edges.
    """
    _, height, width = picture.shape
    scale = upscaler.scale
    total = torch.zeros(3, height * scale, width * scale, device=picture.device)
    weights = torch.zeros(1, height * scale, width * scale, device=picture.device)
    for top, left in product(starts(height, tile, overlap), starts(width, tile, overlap)):
        part = picture[:, top : top + tile, left : left + tile]
        larger = upscaler.network(part[None])[0]
        fade = _fade(larger.shape[1], overlap * scale)[:, None] * _fade(larger.shape[2], overlap * scale)
        rows = slice(top * scale, top * scale + larger.shape[1])
        columns = slice(left * scale, left * scale + larger.shape[2])
        total[:, rows, columns] += larger * fade.to(larger)
        weights[:, rows, columns] += fade.to(larger)
    return total / weights


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Starts of tiles that cover `length`, with neighbours overlapping by at least `overlap`; the last ends
    at `length`.
    """
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [(length - tile) * index // (count - 1) for index in range(count)]


def _fade(length: int, overlap: int) -> Tensor:
    """[length]: 1, falling linearly to nearly 0 over the last `overlap` at both ends."""
    steps = torch.arange(length) + 1
    return torch.minimum(steps, steps.flip(0)).clamp(max=overlap) / overlap
