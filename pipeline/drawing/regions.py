"""Limits a network to a region of the picture by a mask (kohya-ss/sd-webui-additional-networks,
scripts/lora_compvis.py).

    layer(x) + mask * (output with the network - layer(x))

The mask is scaled to the height and width of each layer's output. A linear layer sees height x width as one
dimension; the latents' size says which factors it has, so that 64x32 and 32x64 are not confused. The text
encoder, and the U-Net's layers for prompt and timestep, have no position in the picture: there the mask has
no effect.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.bases.base import Base
from pipeline.bases.layers import changeable_layers
from pipeline.errors import UserError
from pipeline.networks.network import AdapterNetwork
from pipeline.pictures.colour import BLACK
from pipeline.pictures.reading import PictureError, read_picture

UNET_LEVELS = 4


class Region:
    """A mask [1, 1, height, width] in 0..1 (1: the network acts), scaled to each layer's size."""

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask
        self.levels: dict[int, tuple[int, int]] = {}
        self._scaled: dict[tuple[int, int], Tensor] = {}

    @classmethod
    def read(cls, path: Path, channel: str | None) -> "Region":
        """From a picture's lightness or one of its channels; transparent parts are black. Raises UserError if
        it cannot be read or is all black.
        """
        try:
            picture = read_picture(path, background=BLACK)
        except (PictureError, FileNotFoundError) as error:
            raise UserError(f"{path} cannot be read as a mask ({error}); use another picture") from None
        band = picture.getchannel(channel.upper()) if channel else picture.convert("L")
        values = torch.frombuffer(bytearray(band.tobytes()), dtype=torch.uint8).float()
        values = values.reshape(1, 1, band.height, band.width)
        if not values.any():
            raise UserError(f"{path} is black{f' in {channel}' if channel else ''}; paint the region white")
        return cls(values / 255)

    def look(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Before each call of the U-Net, notes height and width on each of its levels, by their product."""
        height, width = inputs[0].shape[-2:]
        self.levels = {}
        for _level in range(UNET_LEVELS):
            self.levels[height * width] = (height, width)
            height, width = -(-height // 2), -(-width // 2)

    def at(self, height: int, width: int, like: Tensor) -> Tensor:
        """[1, 1, height, width]."""
        if (height, width) not in self._scaled:
            scaled = F.interpolate(self.mask, (height, width), mode="bilinear", antialias=True)
            self._scaled[height, width] = scaled.to(like)
        return self._scaled[height, width]

    def blended(
        self, x: Tensor, inside: Callable[[Tensor], Tensor], outside: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """A layer's output for `x`: [batch, channels, height, width] or [batch, height x width, channels]."""
        without, with_network = outside(x), inside(x)
        if without.dim() == 4:
            height, width = without.shape[2:]
            mask = self.at(height, width, without)
        else:
            height, width = self.levels[without.shape[1]]
            mask = self.at(height, width, without).flatten(2).transpose(1, 2)
        return without + mask * (with_network - without)


@contextmanager
def attached_in(network: AdapterNetwork, base: Base, region: Region) -> Iterator[None]:
    """As `network.attached`, but only in the region."""
    layers = changeable_layers(base)
    placeless = base.family.placeless
    outside = {name: layers[name].module.forward for name in network}
    with ExitStack() as stack:
        stack.callback(base.denoiser.register_forward_pre_hook(region.look).remove)
        stack.enter_context(network.attached(base))
        for name, layer_outside in outside.items():
            layer = layers[name]
            if layer.part == base.family.denoiser and not any(part in name for part in placeless):
                changed = partial(region.blended, inside=layer.module.forward, outside=layer_outside)
                layer.module.forward = changed  # type: ignore[method-assign]
        yield
