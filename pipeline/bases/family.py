"""The interface of a family. Text is encoded only here, and the denoiser is called only here."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from pipeline.bases.conditioning import Conditioning
from pipeline.bases.config_structure import configured
from pipeline.bases.facts import FamilyFacts
from pipeline.bases.origins import Held, Origin
from pipeline.bases.parts import Part
from pipeline.bases.registry import folder_of
from pipeline.bases.sizes import SizeConditioning, whole
from pipeline.bases.structure import TensorShapes
from pipeline.bases.tokens import MAX_TOKENS
from pipeline.objectives.registry import objective_class

if TYPE_CHECKING:
    from pipeline.bases.base import Base
    from pipeline.objectives.objective import Objective
    from pipeline.schemas import NoiseConfig

PartConfig = dict[str, Any]
Configs = Mapping[str, PartConfig]
"""By part, with `scheduler`."""


class Family(ABC):
    """A family of bases; everything specific to it is in its folder."""

    facts: FamilyFacts
    parts: tuple[Part, ...]
    """The denoiser first."""
    main_blocks: tuple[str, ...]
    """Classes of the denoiser's modules that contain the layers a network trains."""
    further_blocks: tuple[str, ...]
    """Classes of modules that contain the additional layers it trains if it trains convolutions."""
    text_blocks: tuple[str, ...]
    """Names of the text encoders' modules that contain the layers a network trains."""
    recomputed_blocks: tuple[str, ...] = ("ResnetBlock2D", "BasicTransformerBlock")
    """Classes of the denoiser's modules that gradient checkpointing computes again one by one. They hold
    nearly all of its weights, and can wait in the machine's memory.
    """
    kept_share: float = 1.15
    """Bytes that a training step keeps, by those of the denoiser's layers' outputs (counted: SD 1.x 1.2, SDXL
    1.12).
    """
    placeless: tuple[str, ...] = ("attn2_to_k", "attn2_to_v", "time_emb")
    """Parts of names, in network files, of the denoiser's layers that do not see the picture."""
    tokenizer_folders: tuple[str, ...] = ("tokenizer",)
    paddings: ClassVar[Mapping[str, int]] = MappingProxyType({})
    """Padding ids by the folder of the tokenizer, for tokenizers that do not pad with the end token."""
    index_extras: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Additional entries of model_index.json."""

    @property
    def denoiser(self) -> Part:
        return self.parts[0]

    @property
    def trained_parts(self) -> tuple[Part, ...]:
        """The parts that networks change, the denoiser first."""
        return tuple(part for part in self.parts if part.layer_prefix)

    @property
    def text_parts(self) -> tuple[Part, ...]:
        return self.trained_parts[1:]

    @cached_property
    def configs(self) -> Configs:
        """The published base's configurations."""
        folder = folder_of(self.facts.name) / "configs"
        return {
            path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))
        }

    @property
    def whole_configs(self) -> Configs:
        """The published base's configurations, without those of parts that a base may lack."""
        optional = {part.name for part in self.parts if part.is_optional}
        return {name: config for name, config in self.configs.items() if name not in optional}

    @property
    def widest_configs(self) -> Configs:
        """Configurations of a base with every layer that any member of the family has."""
        return self.configs

    def configs_of(self, shapes: TensorShapes) -> Configs:  # noqa: ARG002  # for families with several members
        """The configurations of a single file with these tensors that does not state them."""
        return self.whole_configs

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    def dtype_of(self, part: Part, trained_dtype: torch.dtype) -> torch.dtype:
        """The type that a part is read as: `trained_dtype` for those that can be trained."""
        return trained_dtype if part in self.trained_parts else torch.float32

    @abstractmethod
    def origin(self, part: str, name: str, configs: Configs) -> Origin:
        """The place of a part's tensor in a single file."""

    def origins(self, part: str, names: Iterable[str], configs: Configs) -> dict[str, Origin]:
        """The places of a part's tensors in a single file, by their names in the part."""
        return {name: self.origin(part, name, configs) for name in names if not name.endswith("position_ids")}

    @abstractmethod
    def held(self, key: str) -> list[tuple[str, Held]]:
        """(part, tensor) pairs that a single file's tensor holds, of the parts that networks change. Empty if
        it belongs to another part or has a name that the family does not use.
        """

    def usual_key(self, key: str) -> str:
        """The usual name of a single file's tensor that older files name differently."""
        return key

    @abstractmethod
    def layer_name(self, part: str, path: str, configs: Configs) -> str:
        """A layer's name in network files, from its path in its part."""

    @abstractmethod
    def block_of(self, key: str) -> str | None:
        """The block of a denoiser's tensor, from its name in a single file; None for other parts."""

    @abstractmethod
    def block_of_layer(self, name: str) -> str | None:
        """The block of a denoiser's layer, from its name in network files; None for other parts."""

    def blocks_of(self, configs: Configs) -> tuple[str, ...]:
        """The blocks of a base with these configurations."""
        if self.facts.blocks_of is None:
            return self.facts.blocks
        return self.facts.blocks_of(configured(configs[self.denoiser.name]))

    def stamp(self, configs: Configs) -> tuple[str, str]:
        """modelspec.architecture and ss_base_model_version of a base with these configurations."""
        return self.facts.stamp(configs["scheduler"].get("prediction_type"))

    def pooled_widths(self, configs: Configs) -> list[int]:  # noqa: ARG002  # most have no pooled vector
        """Width of each text encoder's slice of the pooled vector; 0 of one that gives none."""
        return [0] * len(self.facts.text_encoders)

    def token_widths(self, configs: Configs) -> list[int]:
        """Width of each text encoder's slice of a token, in the order in which they are joined."""
        return [configs[name]["hidden_size"] for name in self.facts.text_encoders]

    def misfits(self, configs: Configs) -> list[str]:  # noqa: ARG002  # most have nothing of their own to compare
        """How parts with these configurations do not fit each other; empty if they do."""
        return []

    def sizes(self, width_px: int, height_px: int) -> SizeConditioning | None:
        """Size conditioning of an uncropped picture of this size; None if the family does not use sizes."""
        return whole(width_px, height_px) if self.facts.has_sizes else None

    def objective(self, configs: Configs, noise: "NoiseConfig") -> "Objective":
        """What the denoiser of a base with these configurations learns."""
        return objective_class(self.facts.objective).of(configs["scheduler"], noise)

    @abstractmethod
    def encode(self, base: "Base", ids: Tensor, clip_skip: int) -> Conditioning:
        """Encodes token ids [batch, 77] or [batch, chunks, 77] for the denoiser."""

    def encode_texts(
        self, base: "Base", ids: Tensor, clip_skip: int, further_ids: Tensor | None
    ) -> Conditioning:
        """Encodes with all of the base's text encoders. further_ids: [batch, m] of T5, for a base that has
        one.
        """
        assert (further_ids is None) == (base.t5_tokenizer is None), "T5 reads every text, or none"
        encoded = self.encode(base, ids, clip_skip)
        if further_ids is None:
            return encoded
        return replace(encoded, further=self.encode_further(base, further_ids).to(encoded.tokens))

    def encode_further(self, base: "Base", ids: Tensor) -> Tensor:
        """T5's states [batch, m, width]."""
        raise NotImplementedError(f"{self.facts.title} has no T5")

    def blank_conditioning(self, configs: Configs) -> Conditioning:
        """A text's conditioning without numbers, on the meta device."""

        def blank(*shape: int) -> Tensor | None:
            return torch.empty(1, *shape, device="meta") if shape[-1] else None

        tokens = torch.empty(1, MAX_TOKENS, sum(self.token_widths(configs)), device="meta")
        sizes = blank(6) if self.facts.has_sizes else None
        return Conditioning(tokens, blank(sum(self.pooled_widths(configs))), sizes)

    @abstractmethod
    def predict(self, base: "Base", noisy: Tensor, levels: Tensor, conditioning: Conditioning) -> Tensor:
        """The denoiser's output for noisy latents [batch, channels, h, w] at noise levels [batch], or one for
        all.
        """
