"""Rules of merges, and of grids of merges."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.schemas import Config


def merge_contradictions(config: Config) -> list[str]:
    """Settings that contradict each other."""
    from_the_hub = config.merge.recipe is None and not Path(config.base.path).exists()
    if config.merge.dtype == "source" and from_the_hub:
        return [
            f"merge.dtype source needs the base's own files, but base.path {config.base.path} is not on this"
            " machine: set merge.dtype to fp16, bf16 or fp32, or base.path to a file or folder"
        ]
    return []


def merge_doubts(config: Config) -> list[str]:
    """Settings that have no effect."""
    doubts: list[str] = []
    recipe, of_grid = config.merge.recipe, config.sample_grid.merge
    if config.merge.votes is not None and config.merge.epoch != "voted":
        doubts.append("merge.votes has no effect: merge.epoch is not voted")
    if recipe is not None and config.merge.alpha != 1:
        doubts.append("merge.alpha has no effect: merge.recipe sets what is merged, and how strongly")
    if recipe is not None and config.base.vae and not _brings_vae(recipe):
        doubts.append("base.vae has no effect on merge.recipe; add a step replace_vae to the recipe")
    if of_grid is not None and config.base.vae and not _brings_vae(of_grid):
        doubts.append(
            "base.vae applies to the base alone, not to sample_grid.merge: merged cells use the recipe's VAE;"
            " add a step replace_vae to the recipe"
        )
    return doubts


def _brings_vae(recipe: str | Mapping[str, Any]) -> bool:
    """Whether the outermost step sets the VAE; False for a recipe's file, which is not read yet."""
    step = recipe.get("merge") if isinstance(recipe, Mapping) else None
    return isinstance(step, Mapping) and step.get("method") == "replace_vae"
