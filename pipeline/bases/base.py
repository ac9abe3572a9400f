"""A loaded base: its parts, their configurations, and its tokenizer."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import cached_property
from typing import Any

import torch
from torch import nn
from transformers import CLIPTokenizer

from pipeline.bases.family import Configs, Family
from pipeline.bases.latents import Latents
from pipeline.bases.layers import changeable_modules
from pipeline.bases.on_device import on_device
from pipeline.bases.parts import Part
from pipeline.bases.prediction import PredictionType, V, scheduler_of
from pipeline.bases.t5_tokens import T5Tokenizer
from pipeline.files.tensor_file import Stored

PartOrReader = nn.Module | Callable[[], nn.Module]
"""A part of a checkpoint, or a function that reads it."""
OpensStored = Callable[[], Mapping[str, Stored]]
"""Opens the base's files: their tensors by single-file names, also those that no part uses."""


class Base:
    """A part that is given as a function is read on first use: training on stored latents needs no VAE, and
    encoding pictures needs nothing else.
    """

    def __init__(
        self,
        family: Family,
        tokenizer: CLIPTokenizer,
        parts: Mapping[str, PartOrReader],
        configs: Configs,
        open_stored: OpensStored = dict,
        t5_tokenizer: T5Tokenizer | None = None,
    ) -> None:
        """open_stored: of its files; by default there are none, as for a base that was made or fetched.
        t5_tokenizer: of a base that has a T5.
        """
        self.family, self.tokenizer, self.configs = family, tokenizer, configs
        self.t5_tokenizer = t5_tokenizer
        self._parts = dict(parts)
        self._open_stored = open_stored
        self._readers = {name: part for name, part in parts.items() if not isinstance(part, nn.Module)}
        self._device: torch.device | None = None
        self._works_on: torch.device | None = None

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
    def parts(self) -> list[Part]:
        """The family's parts that this base has."""
        return [part for part in self.family.parts if part.name in self._parts]

    @property
    def text_part_names(self) -> list[str]:
        """Of all text encoders, T5 among them."""
        return [part.name for part in self.parts if part.library == "transformers"]

    @property
    def text_models(self) -> list[Any]:
        """All text encoders, T5 among them."""
        return [self.part(name) for name in self.text_part_names]

    @property
    def latents(self) -> Latents:
        """Shape and scale of the VAE's latents."""
        return Latents.of(self.configs["vae"])

    @property
    def device(self) -> torch.device:
        """Where it computes: the denoiser's, or the one to which parts come in turn."""
        device: torch.device = self._works_on or self.denoiser.device
        return device

    @property
    def end_token(self) -> int:
        """Id of the token that ends a text."""
        return int(self.tokenizer.eos_token_id)

    @cached_property
    def stored(self) -> Mapping[str, Stored]:
        """Its files' tensors by single-file names, also those that no part uses; empty without files."""
        return self._open_stored()

    def part(self, name: str) -> Any:
        part = self._parts[name]
        if not isinstance(part, nn.Module):
            part = self._parts[name] = part().eval().requires_grad_(False)
            if self._device:
                part.to(self._device)
        return part

    def loaded(self) -> dict[str, nn.Module]:
        """Every part by its name; reads those that are not loaded yet."""
        return {part.name: self.part(part.name) for part in self.parts}

    def trained_parts(self) -> dict[str, nn.Module]:
        """The parts that networks change, the denoiser first."""
        return {part.name: self.part(part.name) for part in self.family.trained_parts}

    @cached_property
    def changeable(self) -> Mapping[str, nn.Module]:
        """Layers that networks may change, by their names in files. Computed once: a base keeps its
        modules.
        """
        return changeable_modules(self)

    def to(self, device: torch.device, but: Iterable[str] = ()) -> "Base":
        """Moves every loaded part, except those named."""
        self._device = device
        for name, part in self._parts.items():
            if isinstance(part, nn.Module) and name not in but:
                part.to(device)
        return self

    def in_turn(self, device: torch.device) -> "Base":
        """Parts stay where they are, and are on the device only while they work (`at_work`)."""
        self._works_on = device
        return self

    @contextmanager
    def at_work(self, names: Iterable[str], dtype: torch.dtype = torch.float32) -> Iterator[None]:
        """Inside, these parts can compute: brings them to the device if parts come in turn. Products are in
        `dtype`, norms and sums in 32 bits (torch's autocast, as in training); float32 leaves what is set
        around it.
        """
        with ExitStack() as stack:
            if self._works_on is not None:
                for name in names:
                    stack.enter_context(on_device(self.part(name), self._works_on))
            if dtype != torch.float32:
                stack.enter_context(torch.autocast(self.device.type, dtype))
            yield

    def free(self, names: Iterable[str]) -> None:
        """Frees the memory of parts that are not needed now; each is read again on its next use. A part that
        was not read from a file moves to the CPU.
        """
        for name in names:
            part, reader = self._parts[name], self._readers.get(name)
            if isinstance(part, nn.Module):
                part.to("meta" if reader else "cpu")  # frees weights that others still refer to, too
                self._parts[name] = reader or part
        self.__dict__.pop("changeable", None)

    @property
    def predicts_v(self) -> bool:
        return bool(self.configs["scheduler"].get("prediction_type") == V)

    def predicting(self, kind: PredictionType, zero_terminal_snr: bool = False) -> "Base":
        """This base with another prediction type, whatever its files say. Both share their parts: one that is
        read for the one is there for the other.
        """
        made = copy(self)
        scheduler = scheduler_of(self.configs["scheduler"], kind, zero_terminal_snr)
        made.configs = {**self.configs, "scheduler": scheduler}
        return made

    def with_part(
        self, name: str, part: PartOrReader, config: dict[str, Any], open_stored: OpensStored
    ) -> "Base":
        """This base with another base's part; open_stored: of the part's files."""
        prefix = self.family.part(name).file_prefix

        def both() -> dict[str, Stored]:
            kept = {key: own for key, own in self.stored.items() if not key.startswith(prefix)}
            return kept | {key: own for key, own in open_stored().items() if key.startswith(prefix)}

        parts, configs = {**self._parts, name: part}, {**self.configs, name: config}
        has_files = self._open_stored is not dict
        opens = both if has_files else dict
        return Base(self.family, self.tokenizer, parts, configs, opens, self.t5_tokenizer)

    def with_reader(self, name: str, ready: Callable[[PartOrReader], nn.Module]) -> "Base":
        """This base with a part that `ready` makes, on first use, of the part as it is."""
        part = self._parts[name]
        parts = {**self._parts, name: lambda: ready(part)}
        return Base(self.family, self.tokenizer, parts, self.configs, self._open_stored, self.t5_tokenizer)
