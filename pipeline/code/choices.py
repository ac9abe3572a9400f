"""Folders whose files stand for each other, and which of them a stage uses under a configuration."""

from collections.abc import Callable, Mapping

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


CHOICES: Mapping[str, Callable[[Config, str], set[str] | None]] = {
    "pipeline/networks/algorithms": algorithms,
}
"""Names of the files, without ending, by folder; None: all of them."""
