"""Which of the alternative files or packages in a folder a stage uses."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.bases.look import recognise
from pipeline.schemas import AdapterNetworkConfig, Config


def algorithms(config: Config, stage: str) -> set[str] | None:
    """The configured network's; None, which means all, if the stage may read networks of any kind."""
    if stage == "sample-grid" and (config.sample_grid.prompt_networks or config.sample_grid.merge):
        return None
    if stage == "merge" and config.merge.recipe is not None:
        return None
    if stage == "class-images":
        return set()
    network = config.network
    if isinstance(network, AdapterNetworkConfig) and network.initial is None:
        return {network.name}
    return None


def families(config: Config, stage: str) -> set[str] | None:
    """The configured base's; None, which means all, if the base has no local files or a recipe names more."""
    if stage == "merge" and config.merge.recipe is not None:
        return None
    if stage == "sample-grid" and config.sample_grid.merge:
        return None
    recognised = recognise(Path(config.base.path))
    return {recognised.facts.name} if recognised and recognised.facts else None


def objectives(config: Config, stage: str) -> set[str] | None:
    """The configured base's; training alone asks for it."""
    if stage != "train":
        return set()
    found = recognise(Path(config.base.path))
    return {found.facts.objective} if found and found.facts else None


CHOICES: Mapping[str, Callable[[Config, str], set[str] | None]] = {
    "pipeline/bases/registry.py": families,
    "pipeline/networks/algorithms/__init__.py": algorithms,
    "pipeline/objectives/registry.py": objectives,
}
"""By registry file: the chosen modules or packages in its folder; None: all of them."""
