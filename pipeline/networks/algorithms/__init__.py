"""The algorithms of adapters, by `network.name`: one file each, with a class of its name (`loha.py`: `Loha`).
A new file is a new algorithm.
"""

from collections.abc import Collection
from importlib import import_module
from pkgutil import iter_modules

from pipeline.networks.adapter import Adapter
from pipeline.networks.foreign import FOREIGN


def _algorithm(name: str) -> type[Adapter]:
    class_name = "".join(part.capitalize() for part in name.split("_"))
    algorithm: type[Adapter] = getattr(import_module(f"{__name__}.{name}"), class_name)
    return algorithm


ALGORITHMS: dict[str, type[Adapter]] = {
    name: _algorithm(name) for name in sorted(module.name for module in iter_modules(__path__))
}

READERS: tuple[type[Adapter], ...] = (
    *(each for each in ALGORITHMS.values() if each.marks),
    *FOREIGN.values(),
)
"""Algorithms that a file's keys identify. A LoRA or DyLoRA file is read as LoCon without kernels."""


def reader_of(names: Collection[str]) -> type[Adapter] | None:
    """The algorithm that reads a module, by the names of its tensors."""
    return next((reader for reader in READERS if any(mark in names for mark in reader.marks)), None)
