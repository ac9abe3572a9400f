"""The layers of a base that networks change, by their names in network files."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from pipeline.bases.parts import Part

if TYPE_CHECKING:
    from pipeline.bases.base import Base

CHANGEABLE = (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True)
class BaseLayer:
    """path: in its part. block: in the denoiser; None in a text encoder."""

    module: nn.Module
    part: Part
    path: str
    block: str | None


def main_layers(base: "Base") -> dict[str, BaseLayer]:
    """Every linear layer and 1x1 convolution in the denoiser's attention: 192 on SD 1.x, 722 on SDXL."""
    return _inside(base, base.family.main_blocks)


def further_layers(base: "Base") -> dict[str, BaseLayer]:
    """Every linear layer and convolution in the denoiser's Res blocks and resamplers: 86 on SD 1.x."""
    return _inside(base, base.family.further_blocks)


def text_layers(base: "Base") -> dict[str, BaseLayer]:
    """Every linear layer of the text encoders' attention and MLP: 72 on SD 1.x, 72 + 192 on SDXL."""
    return {
        name: layer
        for part in base.family.text_parts
        for name, layer in _layers(base, part, (nn.Linear,))
        if _within(layer.path, base.family.text_blocks)
    }


def changeable_layers(base: "Base") -> dict[str, BaseLayer]:
    """Every layer that a file of any tool may change, including norms."""
    return {
        name: layer for part in base.family.trained_parts for name, layer in _layers(base, part, CHANGEABLE)
    }


def changeable_modules(base: "Base") -> dict[str, nn.Module]:
    """The modules of `changeable_layers`."""
    return {name: layer.module for name, layer in changeable_layers(base).items()}


def _inside(base: "Base", blocks: Collection[str]) -> dict[str, BaseLayer]:
    part, denoiser = base.family.denoiser, base.denoiser
    return {
        base.family.layer_name(part.name, path, base.configs): _layer(base, part, path, module)
        for place, block in denoiser.named_modules()
        if type(block).__name__ in blocks
        for name, module in block.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        for path in [f"{place}.{name}"]
    }


def _layers(base: "Base", part: Part, kinds: tuple[type[nn.Module], ...]) -> Iterator[tuple[str, BaseLayer]]:
    for path, module in base.part(part.name).named_modules():
        if isinstance(module, kinds) and module.weight is not None:  # some norms have no weights
            yield base.family.layer_name(part.name, path, base.configs), _layer(base, part, path, module)


def _layer(base: "Base", part: Part, path: str, module: nn.Module) -> BaseLayer:
    if part != base.family.denoiser:
        return BaseLayer(module, part, path, None)
    key = base.family.origin(part.name, f"{path}.weight", base.configs).key
    return BaseLayer(module, part, path, base.family.block_of(key))


def _within(path: str, names: Collection[str]) -> bool:
    return any(name in path.split(".") for name in names)
