"""A base as sd-scripts shows it to LyCORIS: the same layers in trees of sd-scripts' names."""

import re
from collections.abc import Callable
from typing import Any

from torch import nn

from pipeline.bases import unet_names
from pipeline.bases.base import Base
from pipeline.bases.unet_family import has_attention


class Transformer2DModel(nn.Module):
    """LyCORIS chooses layers by the class's name."""


class ResnetBlock2D(nn.Module):
    pass


class Downsample2D(nn.Module):
    pass


class Upsample2D(nn.Module):
    pass


class CLIPAttention(nn.Module):
    pass


class CLIPMLP(nn.Module):
    pass


BLOCKS = (Transformer2DModel, ResnetBlock2D, Downsample2D, Upsample2D, CLIPAttention, CLIPMLP)
CLASSES: dict[str, Callable[[], nn.Module]] = {each.__name__: each for each in BLOCKS}


def tree(module: nn.Module, rename: Callable[[str], str]) -> nn.Module:
    """The module's linear layers and convolutions by other paths, in blocks of the same classes."""
    root = nn.Module()
    for path, layer in module.named_modules():
        kind = type(layer).__name__
        if path and (kind in CLASSES or isinstance(layer, nn.Linear | nn.Conv2d)):
            place: Any = root
            *above, last = rename(path).split(".")
            for name in above:
                if name not in place._modules:
                    place.add_module(name, nn.Module())
                place = place._modules[name]
            place.add_module(last, CLASSES[kind]() if kind in CLASSES else layer)
    return root


def shown(base: Base) -> tuple[Any, nn.Module]:
    """The text encoder, or a list of two, and the denoiser."""
    texts = [
        tree(part, lambda path: path if path.startswith("text_model") else f"text_model.{path}")
        for part in base.text_encoders
    ]
    if len(texts) == 1:
        return texts[0], tree(base.denoiser, str)
    attends = has_attention(base.configs)
    return texts, tree(base.denoiser, lambda path: _ldm(path, attends))


def _ldm(path: str, attends: list[bool]) -> str:
    if re.search(r"resnets\.\d+$", path):
        return unet_names.ldm_name(f"{path}.conv1", attends).removesuffix(".in_layers.2")
    return unet_names.ldm_name(f"{path}.weight", attends).removesuffix(".weight")
