"""Every family of what can be trained: who makes it, who reads its files."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from pipeline.base.load import BaseModel
from pipeline.config.schemas import Network as NetworkConfig
from pipeline.errors import UserError
from pipeline.networks.algorithms import ALGORITHMS, READERS
from pipeline.networks.checkpoint import Checkpoint, is_checkpoint
from pipeline.networks.network import Network
from pipeline.networks.network_files import grouped, read_weights
from pipeline.networks.trained import Trained

Family = type[Network] | type[Checkpoint]
FAMILIES: dict[str, Family] = {**dict.fromkeys(ALGORITHMS, Network), "checkpoint": Checkpoint}
"""By `network.name`."""


def create(config: NetworkConfig, base: BaseModel, seed: int) -> Trained:
    """A fresh one, of the family that `config.name` names."""
    family: type[Trained] = FAMILIES[config.name]
    return family.create(config, base, seed)


def load(path: Path, base: BaseModel) -> Trained:
    """From a file of any family."""
    return FAMILIES[family_of_file(path)].load(path, base)


def family_of_file(path: Path) -> str:
    """The family's name, told by the file's keys alone; an unknown one is a user error."""
    return "checkpoint" if is_checkpoint(path) else family_of(read_weights(path), path)


def family_of(weights: Mapping[str, Tensor], path: Path) -> str:
    """As above. A DyLoRA file is a LoRA file; one of several algorithms has the name of the first found."""
    modules = grouped(weights).values()
    leaves = {leaf for module in modules for leaf in module}
    for name, knows in SIGNS.items():
        if knows(leaves):
            has_kernel = any(
                weight.dim() == 4 and weight.shape[-1] > 1 for module in modules for weight in module.values()
            )
            return "lora" if name == "locon" and not has_kernel else name
    raise UserError(
        f"{path} is no network file of a known family; its keys are like {next(iter(weights), 'none')}"
    )


def _sign(reader: str) -> Callable[[set[str]], bool]:
    marks = set(ALGORITHMS[reader].marks)
    return lambda leaves: bool(leaves & marks)


SIGNS: dict[str, Callable[[set[str]], bool]] = {
    name: _sign(name) for name, algorithm in ALGORITHMS.items() if algorithm in READERS
}
"""Whether a file is of a family, by the parts of its keys behind the first dot."""
