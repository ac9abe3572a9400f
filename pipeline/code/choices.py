"""Which of the files or packages that stand for each other in a folder a stage uses."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.bases.look import look
from pipeline.config.schemas import AdapterNetwork, Config


def algorithms(config: Config, stage: str) -> set[str] | None:
    """The configured network's; None, which means all, where the stage may read a network of any kind."""
    if stage == "sample-grid" and (config.sample_grid.prompt_networks or config.sample_grid.merge):
        return None
    if stage == "merge" and config.merge.recipe is not None:
        return None
    if stage == "class-images":
        return set()
    network = config.network
    if isinstance(network, AdapterNetwork) and network.initial is None:
        return {network.name}
    return None


def families(config: Config, stage: str) -> set[str] | None:  # noqa: ARG001
    """The configured base's; None of a base that is not here to be looked at."""
    found = look(Path(config.base.path))
    return {found.facts.name} if found and found.facts else None


CHOICES: Mapping[str, Callable[[Config, str], set[str] | None]] = {
    "pipeline/bases": families,
    "pipeline/networks/algorithms": algorithms,
}
"""Names of the files without ending, or of the folders in it; by folder. None: all of them."""
