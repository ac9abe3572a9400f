"""Facts about a family that other packages need without torch: names, blocks, usual sizes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.bases.prediction import EPSILON, PredictionType, V
from pipeline.bases.structure import DenoiserStructure

STABILITY = "https://github.com/Stability-AI/generative-models"
"""modelspec.implementation of files with names of the original layout."""


@dataclass(frozen=True, kw_only=True)
class FamilyFacts:
    """A family of base checkpoints. Each family's folder has one, FACTS in its facts.py."""

    name: str
    title: str
    modelspec: str
    """modelspec.architecture of a checkpoint; a LoRA's ends in `/lora`."""
    further_modelspecs: tuple[str, ...] = ()
    """Other values of modelspec.architecture: of the family's members, and in other tools' files."""
    version: str
    """ss_base_model_version in a network's header."""
    of_v: tuple[str, str] | None = None
    """modelspec and version of a v-prediction base, if they differ."""
    implementation: str = "diffusers"
    """modelspec.implementation of its adapters, by whose names they have."""
    denoiser: str = "unet"
    """The denoiser's folder in diffusers' layout."""
    is_v2: bool = False
    """ss_v2 in a network's header."""
    trainable: bool = True
    """Whether this pipeline trains it; if not, it is known only for merging and inspection."""
    owns: Callable[[DenoiserStructure], bool]
    """Whether a denoiser belongs to the family."""
    owns_config: Callable[[Mapping[str, Any]], bool]
    """Whether the denoiser's configuration in a diffusers folder belongs to the family."""
    variant: Callable[[DenoiserStructure], str | None]
    """The special kind of a denoiser of the family (inpainting ...); None: an ordinary one, which can be
    trained.
    """
    blocks: tuple[str, ...]
    """The denoiser's blocks, by which merges are weighted and layers trained."""
    prediction: PredictionType | None
    """What the family's bases predict if a file does not say; None: they may predict either."""
    text_encoders: tuple[str, ...]
    """Folders of the text encoders, in the order in which their tokens are joined."""
    text_signs: tuple[str, ...]
    """Prefixes of its text encoders' names in a single file; the last identifies the family in a file without
    a denoiser.
    """
    text_layers: int
    """Layers of the first text encoder: the maximum of clip skip."""
    blocks_of: Callable[[DenoiserStructure], tuple[str, ...]] | None = None
    """The blocks of a member that may have fewer than `blocks`."""
    members_blocks: tuple[tuple[str, ...], ...] = ()
    """The blocks of each published member that has its own number of them."""
    resolution_px: int
    """Side of the square that the published base was trained on."""
    epsilon_resolution_px: int | None = None
    """The same of a base that predicts the noise, if it differs."""
    step_px: int
    """Sides of pictures are multiples of it."""
    bucket_step_px: int = 64
    """Usual step of the sides of aspect-ratio buckets."""
    bucket_min_px: int = 256
    """Usual shortest side of a bucket."""
    has_sizes: bool
    """Whether it is conditioned on sizes and crop."""
    has_hypernetworks: bool
    """Whether front ends support hypernetworks for it."""
    objective: str = "diffusion"
    """What its denoiser learns: a file of pipeline/objectives."""
    has_t5: bool = False
    """Whether its bases may have T5 as a further text encoder."""
    encoder_files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of files of text encoders alone, the best first, by the prefix of their tensors in a whole
    checkpoint.
    """
    diffusers_reads_names: bool = True
    """Whether diffusers opens networks with this pipeline's names, or only converted ones."""
    pipeline: str
    """Class of the diffusers pipeline."""
    published: str = ""
    """Repository and file of its best-known base on the hub."""

    @property
    def architectures(self) -> set[str]:
        """All values of modelspec.architecture in headers of the family."""
        of_v = {self.of_v[0]} if self.of_v else set()
        return {self.modelspec, *self.further_modelspecs} | of_v

    @property
    def versions(self) -> set[str]:
        """All values of ss_base_model_version in headers of the family."""
        return {self.version} | ({self.of_v[1]} if self.of_v else set())

    def side_px(self, prediction: PredictionType | None) -> int:
        """Side of the square that bases with this prediction were trained on."""
        of_epsilon = self.epsilon_resolution_px if prediction == EPSILON else None
        return of_epsilon or self.resolution_px

    def stamp(self, prediction: str | None) -> tuple[str, str]:
        """modelspec.architecture and ss_base_model_version of a base with this prediction."""
        return self.of_v if self.of_v and prediction in ("v", V) else (self.modelspec, self.version)
