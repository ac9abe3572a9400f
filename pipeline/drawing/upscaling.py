"""Upscaler networks (Real-ESRGAN and kin), by path: RGB, in tiles that blend.

spandrel loads them where it can be imported; ESRGAN's and Real-ESRGAN's load without it. It is an extra of
its own (`pip install "athanor[upscale]"`): it brings torchvision, which must be of the same build as torch
(CPU or CUDA), or else nothing that needs it can be imported.
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
from pipeline.drawing.esrgan import esrgan
from pipeline.errors import UserError
from pipeline.files.damage import damage_told
from pipeline.files.pickled import read_pickled
from pipeline.networks.network_files import read_weights

TILE_PX, OVERLAP_PX = 256, 32
"""Of the picture that is enlarged; more tile: more memory, fewer seams to blend."""
MAX_TURNS = 3
"""A network of 2x is run again where that is not enough, one of 1x, which mends only, once; Lanczos does the
rest.
"""


@dataclass(frozen=True)
class Upscaler:
    """`network` makes [1, 3, height, width] in 0..1 `scale` times as large."""

    network: Callable[[Tensor], Tensor]
    scale: int
    device: torch.device


def load_upscaler(path: Path, device: torch.device) -> Upscaler:
    """From a .safetensors or .pth file; one that is missing, damaged or no upscaler is a user error."""
    if not path.is_file():
        raise UserError(f"{path}: no such upscaler network; give the path of a .safetensors or .pth file")
    with damage_told(f"{path} is no readable upscaler network"):
        return _upscaler(path, device)


def _upscaler(path: Path, device: torch.device) -> Upscaler:
    weights = _weights(path)
    if (found := _by_spandrel(path, weights, device)) is not None:
        return found
    network = esrgan(weights)
    if network is None:
        raise UserError(
            f"{path} is neither ESRGAN's nor Real-ESRGAN's network; of other kinds spandrel loads many, which"
            ' cannot be imported here: `pip install "athanor[upscale]"`, or take the upscaler `latent`'
        )
    return Upscaler(network.eval().to(device), network.scale, device)


def _by_spandrel(path: Path, weights: dict[str, Any], device: torch.device) -> Upscaler | None:
    """None where spandrel, or what it needs, is not installed."""
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except (ImportError, RuntimeError):
        return None
    try:
        model = ModelLoader(device).load_from_state_dict(weights)
    except UnsupportedModelError as error:
        raise UserError(f"{path} is no upscaler network of a known kind") from error
    if not isinstance(model, ImageModelDescriptor) or model.input_channels != 3:
        raise UserError(f"{path} is no network that enlarges RGB pictures ({model.architecture.name})")
    return Upscaler(model.eval(), model.scale, device)


def _weights(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        return read_weights(path)
    return read_pickled(path)


@torch.no_grad()
def upscaled(upscaler: Upscaler, picture: Image.Image, width: int, height: int) -> Image.Image:
    """The picture at width x height px: the network as often as it takes, then Lanczos."""
    for _ in range(MAX_TURNS if upscaler.scale > 1 else 1):
        if picture.width >= width and picture.height >= height:
            break
        values = (pixels(picture).to(upscaler.device) + 1) / 2
        (picture,) = unpixels(tiled(upscaler, values)[None] * 2 - 1)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def tiled(upscaler: Upscaler, picture: Tensor, tile: int = TILE_PX, overlap: int = OVERLAP_PX) -> Tensor:
    """[3, height, width] in 0..1 -> `scale` times as large, tile by tile; where tiles overlap, each fades out
    towards its edge.
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
    """Where tiles begin that cover `length`, each sharing at least `overlap` with the next: the last ends at
    the end.
    """
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [(length - tile) * index // (count - 1) for index in range(count)]


def _fade(length: int, overlap: int) -> Tensor:
    """[length]: 1, falling linearly to nearly 0 over the last `overlap` at both ends."""
    steps = torch.arange(length) + 1
    return torch.minimum(steps, steps.flip(0)).clamp(max=overlap) / overlap
