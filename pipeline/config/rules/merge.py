"""What the settings of merge, and of a grid of merges, demand of others."""

from collections.abc import Mapping
from typing import Any

from pipeline.config.schemas import Config


def merge_doubts(config: Config) -> list[str]:
    """Settings that change nothing."""
    found: list[str] = []
    recipe, of_grid = config.merge.recipe, config.sample_grid.merge
    if recipe is not None and config.merge.alpha != 1:
        found.append("merge.alpha has no effect: merge.recipe says what is merged, and how strongly")
    if recipe is not None and config.base.vae and not _brings_vae(recipe):
        found.append("base.vae has no effect on merge.recipe: add a step replace_vae to the recipe")
    if of_grid is not None and config.base.vae and not _brings_vae(of_grid):
        found.append(
            "base.vae has no effect on what sample_grid.merge draws, only on the base alone: merged cells"
            " have the VAE of the recipe; add a step replace_vae to it"
        )
    return found


def _brings_vae(recipe: str | Mapping[str, Any]) -> bool:
    """Whether the outermost step says which VAE is meant; of a recipe's file, that is not yet known."""
    step = recipe.get("merge") if isinstance(recipe, Mapping) else None
    return isinstance(step, Mapping) and step.get("method") == "replace_vae"
