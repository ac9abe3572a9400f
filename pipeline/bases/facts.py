"""What the rest of the house asks of a family without loading torch: names, blocks, usual sizes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.bases.prediction import PredictionType, V
from pipeline.bases.structure import Structure


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A family of base checkpoints. Each folder of pipeline/bases has one, FACTS in its facts.py."""

    name: str
    title: str
    modelspec: str
    """modelspec.architecture of a checkpoint; a LoRA's ends in `/lora`."""
    version: str
    """ss_base_model_version in a network's header."""
    of_v: tuple[str, str] | None = None
    """The same two of a base that predicts v, where they differ."""
    is_v2: bool = False
    """ss_v2 in a network's header."""
    trainable: bool = True
    """Whether this pipeline trains it; else it is known for merging and inspection."""
    owns: Callable[[Structure], bool]
    """Whether a denoiser is of the family."""
    owns_config: Callable[[Mapping[str, Any]], bool]
    """Whether a diffusers folder's denoiser is of the family, by its configuration."""
    variant: Callable[[Structure], str | None]
    """What a denoiser of the family is besides (inpainting ...); None: an ordinary one, to be trained."""
    blocks: tuple[str, ...]
    """The denoiser's, by which merges are weighed and layers trained."""
    prediction: PredictionType | None
    """What its bases predict where a file says nothing; None: files of it are of both kinds."""
    text_encoders: tuple[str, ...]
    """Folders of the text encoders, in the order in which their tokens are joined."""
    text_sign: str
    """How names of its text encoder begin in a single file: a sign, too, where there is no denoiser."""
    text_layers: int
    """Of the first text encoder: clip skip goes up to it."""
    resolution_px: int
    """Side of the square that the published base was trained on."""
    step_px: int
    """Sides of pictures are multiples of it."""
    has_sizes: bool
    """Whether it is conditioned on sizes and crop."""
    has_hypernetworks: bool
    """Whether front ends know hypernetworks for it."""
    objective: str = "diffusion"
    """What its denoiser learns: a file of pipeline/objectives."""
    pipeline: str
    """diffusers' class."""

    @property
    def architectures(self) -> set[str]:
        """All that headers of the family may say for modelspec.architecture."""
        return {self.modelspec} | ({self.of_v[0]} if self.of_v else set())

    @property
    def versions(self) -> set[str]:
        """All that headers of the family may say for ss_base_model_version."""
        return {self.version} | ({self.of_v[1]} if self.of_v else set())

    def stamp(self, prediction: str | None) -> tuple[str, str]:
        """modelspec.architecture and ss_base_model_version of a base that predicts so."""
        return self.of_v if self.of_v and prediction in ("v", V) else (self.modelspec, self.version)
