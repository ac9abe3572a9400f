"""What the settings of merge demand of others."""

from pipeline.config.schemas import Config


def merge_doubts(config: Config) -> list[str]:
    """Settings that change nothing."""
    found: list[str] = []
    if config.merge.recipe is not None and config.merge.alpha != 1:
        found.append("merge.alpha has no effect: merge.recipe says what is merged, and how strongly")
    if config.merge.recipe is not None and config.base.vae:
        found.append("base.vae has no effect on merge.recipe: add a step replace_vae to the recipe")
    return found
