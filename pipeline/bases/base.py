"""A base, loaded: its parts, their configurations, its tokenizer, and what its file held besides."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from transformers import CLIPTokenizer

from pipeline.bases.family import Configs, Family

Part = nn.Module | Callable[[], nn.Module]
"""A part of a checkpoint, or what reads it."""


class Base:
    """A part that is given as a function is read when it is first asked for: a training on kept latents needs
    no VAE, the encoding of pictures nothing else.
    """

    def __init__(
        self, family: Family, tokenizer: CLIPTokenizer, parts: Mapping[str, Part], configs: Configs
    ) -> None:
        self.family, self.tokenizer, self.configs = family, tokenizer, configs
        self._parts = dict(parts)
        self._device: torch.device | None = None

    @property
    def denoiser(self) -> Any:
        return self.part(self.family.denoiser.name)

    @property
    def vae(self) -> Any:
        return self.part("vae")

    @property
    def text_encoders(self) -> list[Any]:
        return [self.part(name) for name in self.family.facts.text_encoders]

    @property
    def end_token(self) -> int:
        """Id of the end of a text."""
        return int(self.tokenizer.eos_token_id)

    def part(self, name: str) -> Any:
        part = self._parts[name]
        if not isinstance(part, nn.Module):
            part = self._parts[name] = part().eval().requires_grad_(False)
            if self._device:
                part.to(self._device)
        return part
