"""Which of the alternative files or packages in a folder a stage uses."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.bases import registry
from pipeline.schemas import AdapterNetworkConfig, Config, SampleGridConfig


def algorithms(config: Config, stage: str) -> set[str] | None:
    """The configured network's; None, which means all, if the stage may read networks of any kind."""
    if stage == "sample-grid" and (config.sample_grid.merge or _draws_other_networks(config.sample_grid)):
        return None
    if stage == "merge" and config.merge.recipe is not None:
        return None
    if stage == "class-images":
        return set()
    network = config.network
    if isinstance(network, AdapterNetworkConfig) and network.initial is None:
        return {network.name}
    return None


def _draws_other_networks(grid: SampleGridConfig) -> bool:
    """Whether prompts, a setting or an axis name files that the training did not make."""
    names = [grid.network, *_values(grid, "network")]
    return bool(grid.prompt_networks or any(Path(str(name)).suffix for name in names))


def _values(grid: SampleGridConfig, name: str) -> list[Any]:
    """Of the axis of this name; empty without one."""
    given = grid.values_of(name)
    return given if isinstance(given, list) else [] if given is None else [given]


def families(config: Config, stage: str) -> set[str] | None:
    """The configured base's; None, which means all, if nothing says it, or a recipe or an axis names more."""
    if stage == "merge" and config.merge.recipe is not None:
        return None
    if stage == "sample-grid" and (config.sample_grid.merge or _values(config.sample_grid, "checkpoint")):
        return None
    return {config.base.family} if config.base.family else None


def objectives(config: Config, stage: str) -> set[str] | None:
    """The configured base's; training alone asks for it."""
    if stage != "train":
        return set()
    return {registry.families()[config.base.family].objective} if config.base.family else None


CHOICES: Mapping[str, Callable[[Config, str], set[str] | None]] = {
    "pipeline/bases/registry.py": families,
    "pipeline/networks/algorithms/__init__.py": algorithms,
    "pipeline/objectives/registry.py": objectives,
}
"""By registry file: the chosen modules or packages in its folder; None: all of them."""
