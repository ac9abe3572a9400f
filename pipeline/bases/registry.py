"""Recognises a checkpoint's family. Each folder of this package is a family; no list names them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import pipeline.bases
from pipeline.bases.config_structure import configured
from pipeline.bases.facts import FamilyFacts
from pipeline.bases.prediction import Prediction
from pipeline.bases.structure import DenoiserStructure, TensorShapes, is_mixed, structure
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.bases.family import Family

VERSION_KEY, ARCHITECTURE_KEY = "ss_base_model_version", "modelspec.architecture"
STRANGERS = {"flux": "Flux"}
"""Denoisers that are known only by name, by their kind."""
NOT_BASES = {
    "lora_unet_": "a LoRA (a network, not a checkpoint)",
    "lora_te": "a LoRA (a network, not a checkpoint)",
    "string_to_param": "an embedding (a network, not a checkpoint)",
}
"""Prefixes of names that identify files of other kinds."""
SCALED_FP8 = "a checkpoint in scaled fp8, only for drawing"
SCALE_SIGNS = ("scaled_fp8", ".scale_weight", ".weight_scale", ".comfy_quant")
"""Ends of names in files whose weights are to be multiplied by a number of their own."""
MIXED = "a mix of checkpoints of several families"
EDM = {
    "edm_mean": "with EDM's noise levels (Playground v2.5)",
    "edm_vpred.sigma_max": "with EDM's noise levels (CosXL)",
}
"""Variants by the tensor that marks them (ComfyUI supported_models.py: SDXL)."""


@dataclass(frozen=True)
class Recognised:
    """What a checkpoint is. title: its usual name with its variant; facts: of its family.

    prediction: what its denoiser predicts; side_px: of the square that it was trained on, if it says so;
    is_transposed: whether its text_projection is the wrong way round; missing: titles of the parts that a
    whole checkpoint has and it lacks; blocks: of its denoiser.
    """

    title: str
    facts: FamilyFacts | None = None
    trainable: bool = False
    prediction: Prediction | None = None
    side_px: int | None = None
    is_transposed: bool = False
    missing: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()


@cache
def families() -> Mapping[str, FamilyFacts]:
    """Every family's facts by its name."""
    by_name = {}
    for module in iter_modules(pipeline.bases.__path__):
        if module.ispkg:
            facts: FamilyFacts = import_module(f"pipeline.bases.{module.name}.facts").FACTS
            by_name[facts.name] = facts
    return by_name


def family(name: str) -> "Family":
    """The family of that name; loads torch."""
    made: Family = import_module(f"pipeline.bases.{name}.family").FAMILY
    return made


def trained_family(match: Recognised | None, origin: str) -> "Family":
    """The family of a base that is trained here. Raises UserError for another; loads torch."""
    if match is None or match.facts is None or not match.trainable:
        title = match.title if match else "not a known checkpoint"
        raise UserError(f"{origin} is {title}; this pipeline trains {titles()}: choose one of these")
    return family(match.facts.name)


def recognised(shapes: TensorShapes) -> Recognised | None:
    """What a single file is, by its names and shapes; None if they are unknown."""
    if any(name.endswith(SCALE_SIGNS) for name in shapes):
        return Recognised(SCALED_FP8)
    if is_mixed(shapes):
        return Recognised(MIXED)
    denoiser = structure(shapes)
    for facts in families().values():
        if facts.owns(denoiser):
            edm = next((title for sign, title in EDM.items() if sign in shapes), None)
            return of_variant(facts, edm or facts.variant(denoiser), denoiser)
    if denoiser.kind in STRANGERS:
        return Recognised(STRANGERS[denoiser.kind])
    for facts in families().values():
        if denoiser.kind is None and any(name.startswith(facts.text_signs[-1]) for name in shapes):
            return Recognised(facts.title, facts, facts.trainable)
    titles = (title for sign, title in NOT_BASES.items() if any(name.startswith(sign) for name in shapes))
    return next(map(Recognised, titles), None)


def recognised_config(denoiser: Mapping[str, Any]) -> Recognised:
    """What a diffusers folder is, by its denoiser's configuration."""
    facts = next((facts for facts in families().values() if facts.owns_config(denoiser)), None)
    if facts is None:
        return Recognised("of an unknown family")
    own = configured(denoiser)
    return of_variant(facts, facts.variant(own), own)


def denoiser_folder(base: Path) -> str | None:
    """The denoiser's folder in a diffusers folder; None without one."""
    names = dict.fromkeys(facts.denoiser for facts in families().values())
    return next((name for name in names if (base / name).is_dir()), None)


def of_variant(
    facts: FamilyFacts, variant: str | None, denoiser: DenoiserStructure | None = None
) -> Recognised:
    """A checkpoint of the family; only ordinary ones are trained."""
    title = f"{facts.title} {variant}" if variant else facts.title
    blocks = facts.blocks_of(denoiser) if facts.blocks_of and denoiser else facts.blocks
    return Recognised(title, facts, trainable=facts.trainable and variant is None, blocks=blocks)


def family_named(metadata: Mapping[str, str]) -> FamilyFacts | None:
    """The family that the header of a checkpoint or a network names."""
    version = metadata.get(VERSION_KEY)
    architecture = metadata.get(ARCHITECTURE_KEY, "").partition("/")[0]
    for facts in families().values():
        if version in facts.versions or architecture in facts.architectures:
            return facts
    return None


def known_or_first(name: str | None) -> FamilyFacts:
    """The family's facts; those of the first, SD 1.x, if it is not known yet."""
    known = families()
    return known.get(name or "") or next(iter(known.values()))


def blocks_of(name: str | None) -> tuple[str, ...]:
    """The blocks of a family; those of SD 1.x if a base's family is not known yet."""
    return known_or_first(name).blocks


def titles() -> str:
    """The families that can be trained, as a list in a sentence."""
    *others, last = (facts.title for facts in families().values() if facts.trainable)
    return f"{', '.join(others)} or {last}" if others else last


def folder_of(name: str) -> Path:
    """The family's folder, with its configurations."""
    return Path(import_module(f"pipeline.bases.{name}").__path__[0])
