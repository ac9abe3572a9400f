"""What every family does: the one place where text is encoded, and the one where the denoiser is called."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from pipeline.bases.conditioning import Conditioning
from pipeline.bases.facts import Facts
from pipeline.bases.origins import Held, Origin
from pipeline.bases.parts import Part
from pipeline.bases.registry import folder_of
from pipeline.bases.sizes import Sizes, whole
from pipeline.objectives.registry import objective_class

if TYPE_CHECKING:
    from pipeline.bases.base import Base
    from pipeline.config.schemas import Noise
    from pipeline.objectives.objective import Objective

Config = dict[str, Any]
Configs = Mapping[str, Config]
"""By part, and `scheduler`."""


class Family(ABC):
    """A family of bases; its folder holds all that is peculiar to it."""

    facts: Facts
    parts: tuple[Part, ...]
    """The denoiser first."""
    main_blocks: tuple[str, ...]
    """Classes of the denoiser's modules whose layers a network trains."""
    further_blocks: tuple[str, ...]
    """Classes of those whose layers it trains besides, where it trains convolutions."""
    text_blocks: tuple[str, ...]
    """Names of the text encoders' modules whose layers a network trains."""
    tokenizer_folders: tuple[str, ...] = ("tokenizer",)
    paddings: ClassVar[Mapping[str, int]] = MappingProxyType({})
    """Ids that fill texts up, by the folder of a tokenizer that does not pad with the end token."""
    index_extras: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Further entries of model_index.json."""

    @property
    def denoiser(self) -> Part:
        return self.parts[0]

    @property
    def trained_parts(self) -> tuple[Part, ...]:
        """Those that networks change, the denoiser first."""
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

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    @abstractmethod
    def origin(self, part: str, name: str, configs: Configs) -> Origin:
        """Where a part's tensor is in a single file."""

    def origins(self, part: str, names: Iterable[str], configs: Configs) -> dict[str, Origin]:
        """Where a part's tensors are in a single file, by their names in the part."""
        return {name: self.origin(part, name, configs) for name in names if not name.endswith("position_ids")}

    @abstractmethod
    def held(self, key: str) -> list[tuple[str, Held]]:
        """What a single file's tensor holds of the parts that networks change: parts, and tensors there.
        Empty where it is of another part, or of no name that the family has.
        """

    def usual_key(self, key: str) -> str:
        """The name that a single file's tensor usually has, of one that older files give it."""
        return key

    @abstractmethod
    def layer_name(self, part: str, path: str, configs: Configs) -> str:
        """A layer's name in files of networks, by its path in its part."""

    @abstractmethod
    def block_of(self, key: str) -> str | None:
        """The block of a tensor of the denoiser by its name in a single file; None of other parts."""

    @abstractmethod
    def block_of_layer(self, name: str) -> str | None:
        """The block of a layer of the denoiser by its name in files of networks; None of other parts."""

    def token_widths(self, configs: Configs) -> list[int]:
        """Width of each text encoder's share of a token, in the order in which they are joined."""
        return [configs[name]["hidden_size"] for name in self.facts.text_encoders]

    def sizes(self, width_px: int, height_px: int) -> Sizes | None:
        """What a whole picture of this size is conditioned on; None where the family knows no sizes."""
        return whole(width_px, height_px) if self.facts.has_sizes else None

    def objective(self, configs: Configs, noise: "Noise") -> "Objective":
        """What the denoiser of a base with these configurations learns."""
        return objective_class(self.facts.objective).of(configs["scheduler"], noise)

    @abstractmethod
    def encode(self, base: "Base", ids: Tensor, clip_skip: int) -> Conditioning:
        """Token ids [batch, 77] or [batch, chunks, 77] as the denoiser reads them."""

    @abstractmethod
    def predict(self, base: "Base", noisy: Tensor, levels: Tensor, conditioning: Conditioning) -> Tensor:
        """The denoiser's answer to noisy latents [batch, channels, h, w] at noise levels [batch] or one."""
