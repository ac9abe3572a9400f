"""Every family of trainable networks: the class that makes it and reads its files."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.unet_names import LDM_UNET_PREFIX
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.embedding_file import PICTURE_SUFFIXES
from pipeline.files.kinds import is_hypernetwork
from pipeline.files.pickled import read_pickled
from pipeline.files.safetensors_header import read_header
from pipeline.networks.adapter import Adapter
from pipeline.networks.aesthetic import AestheticEmbedding
from pipeline.networks.algorithms import ALGORITHMS, READERS
from pipeline.networks.checkpoint import FullFineTune
from pipeline.networks.embedding import Embedding
from pipeline.networks.foreign import FOREIGN
from pipeline.networks.hypernetwork import Hypernetwork
from pipeline.networks.kinds import kind_of
from pipeline.networks.layouts import is_adapter
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.network_files import PICKLES, grouped, read_outline, read_weights
from pipeline.networks.trained import Trainable
from pipeline.schemas import NetworkConfig

NetworkFamily = (
    type[AestheticEmbedding]
    | type[AdapterNetwork]
    | type[FullFineTune]
    | type[Embedding]
    | type[Hypernetwork]
)
FAMILIES: dict[str, NetworkFamily] = {
    **dict.fromkeys(ALGORITHMS, AdapterNetwork),
    "aesthetic": AestheticEmbedding,
    "checkpoint": FullFineTune,
    "embedding": Embedding,
    "hypernetwork": Hypernetwork,
}
"""By `network.name`."""
READ: dict[str, NetworkFamily] = {**FAMILIES, **dict.fromkeys(FOREIGN, AdapterNetwork)}
"""By the family of a file, including those that only other tools train."""


def create(config: NetworkConfig, base: Base, seed: int) -> Trainable:
    """A new network, of the family that `config.name` names."""
    family: type[Trainable] = FAMILIES[config.name]
    return family.create(config, base, seed)


def load(path: Path, base: Base) -> Trainable:
    """From a file of any family."""
    with reporting_damage(f"{path} is not a readable network of this base"):
        return READ[family_of_file(path)].load(path, base)


def acts_on_weights(path: Path) -> bool:
    """Whether it can be baked in; embeddings and hypernetworks cannot."""
    return READ[family_of_file(path)] in (AdapterNetwork, FullFineTune)


def family_of_file(path: Path) -> str:
    """The family's name, from the file's keys and header alone. Raises UserError if it is unknown."""
    with reporting_damage(f"{path} is not a readable network file"):
        return _family_of_file(path)


def _family_of_file(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.suffix in PICKLES:
        return _family_of_pickle(path)
    if path.suffix in PICTURE_SUFFIXES:
        return "embedding"
    header = read_header(path)
    if name := kind_of(header) or _algorithm(read_outline(path, header)):
        return name
    keys = header.tensors
    raise UserError(
        f"{path} is not a network file of a known family; its keys are like {next(iter(keys), 'none')}"
    )


def _family_of_pickle(path: Path) -> str:
    read = read_pickled(path)
    if is_hypernetwork(read, {}):
        return "hypernetwork"
    keys = [str(key) for key in read.get("state_dict", read)]
    if any(key.startswith(LDM_UNET_PREFIX) for key in keys):
        return "checkpoint"
    return (_algorithm(read_weights(path)) if is_adapter(keys) else None) or "embedding"


def _algorithm(weights: Mapping[str, Tensor]) -> str | None:
    """A DyLoRA file is a LoRA file; a file with several algorithms gets the name of the first."""
    modules = grouped(weights).values()
    leaves = {leaf for module in modules for leaf in module}
    name = next((name for name, knows in FAMILY_SIGNS.items() if knows(leaves)), None)
    kernels = (weight.dim() == 4 and weight.shape[-1] > 1 for module in modules for weight in module.values())
    return "lora" if name == "locon" and not any(kernels) else name


def _sign(algorithm: type[Adapter]) -> Callable[[set[str]], bool]:
    marks = set(algorithm.marks)
    return lambda leaves: bool(leaves & marks)


FAMILY_SIGNS: dict[str, Callable[[set[str]], bool]] = {
    name: _sign(algorithm) for name, algorithm in {**ALGORITHMS, **FOREIGN}.items() if algorithm in READERS
}
"""Whether a file belongs to a family, by the leaves of its keys."""
