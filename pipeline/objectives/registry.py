"""Finds objectives: each is a file here with a class of its name (`flow.py`: `Flow`), in no list. A family of
bases names its objective (pipeline/bases/facts.py).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.objectives.objective import Objective


def objective_class(name: str) -> type["Objective"]:
    """The objective of that name."""
    cls: type[Objective] = getattr(import_module(f"pipeline.objectives.{name}"), name.capitalize())
    return cls
