"""The optimiser over the parts' parameters, each part with its own rate: by name, or any class by its dotted
path.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from pipeline.bases.parts import Part
from pipeline.config.schemas import Optimizer
from pipeline.errors import UserError, warn
from pipeline.networks.trained import by_rate_factor
from pipeline.training.chained import Several

PATHS = {
    "adamw": "torch.optim.AdamW",
    "adamw8bit": "bitsandbytes.optim.AdamW8bit",
    "lion": "lion_pytorch.Lion",
    "adafactor": "transformers.optimization.Adafactor",
    "dadaptation": "dadaptation.DAdaptAdam",
    "dadaptation_preprint": "dadaptation.experimental.DAdaptAdamPreprint",
    "prodigy": "prodigyopt.Prodigy",
    "schedulefree": "schedulefree.AdamWScheduleFree",
    "sgd": "torch.optim.SGD",
}
"""Classes by `optimizer.name`."""
EXTRAS = {"bitsandbytes": "cuda"} | dict.fromkeys(
    ("lion_pytorch", "dadaptation", "prodigyopt", "schedulefree"), "optimizers"
)
"""The extra of ours that installs a package."""
ONE_RATE = ("dadaptation", "prodigyopt")
"""Packages whose classes refuse two different rates: each rate gets an optimiser of its own."""
FUSED = ("torch.optim.AdamW", "torch.optim.SGD")
"""Classes with a fused step, which is faster."""

Group = dict[str, Any]


def make_optimizer(
    config: Optimizer, parts: Mapping[Part, list[nn.Parameter]], *, fused: bool = True
) -> torch.optim.Optimizer:
    """`parts`: parameters by part of the base; parts without parameters get no group, those with
    rate factors (by block, LoRA+) a group for each. Two rates stay two, whatever the algorithm. `fused`:
    where there is such a step; a gradient scaler cannot clip before it.
    """
    path, arguments = class_path(config), arguments_of(config)
    if path in FUSED:
        arguments = {"fused": fused, **arguments}
    make = _maker(path, arguments)
    groups = rate_groups(config, parts)
    if path.partition(".")[0] not in ONE_RATE:
        return make(groups)
    return several_where_rates_differ(groups, make)


def rate_groups(config: Optimizer, parts: Mapping[Part, list[nn.Parameter]]) -> list[Group]:
    """A group for each part and rate factor."""
    return [
        {"params": chosen, "lr": config.lr_of(part.lr) * factor, "name": part.name, "rate_factor": factor}
        for part, parameters in parts.items()
        for factor, chosen in by_rate_factor(parameters).items()
    ]


def several_where_rates_differ(
    groups: Sequence[Group], make: Callable[[list[Group]], torch.optim.Optimizer]
) -> torch.optim.Optimizer:
    """One optimiser where all rates are equal: it then finds one rate for all, as in sd-scripts. Else one a
    rate, each of which finds its own.
    """
    by_rate: dict[float, list[Group]] = {}
    for group in groups:
        by_rate.setdefault(group["lr"], []).append(group)
    made = [make(equal) for equal in by_rate.values()]
    return made[0] if len(made) == 1 else Several(made)


def set_averaging(optimizers: Sequence[torch.optim.Optimizer], on: bool) -> None:
    """Schedule-free: the weights become the average (to save, to draw samples), or what the next step starts
    from. Other optimisers have no such two.
    """
    for optimizer in optimizers:
        if change := getattr(optimizer, "eval" if on else "train", None):
            change()


def class_path(config: Optimizer) -> str:
    """The class's dotted path; plain AdamW, with a warning, for AdamW8bit without CUDA or its package."""
    path = PATHS.get(config.name, config.name)
    if config.name != "adamw8bit":
        return path
    lacking = [
        *([] if torch.cuda.is_available() else ["no CUDA device is here"]),
        *(
            []
            if find_spec("bitsandbytes")
            else ["bitsandbytes is not installed (`pip install athanor[cuda]`)"]
        ),
    ]
    if lacking:
        warn(f"optimizer.name adamw8bit: {' and '.join(lacking)}; plain AdamW takes its place")
    return PATHS["adamw"] if lacking else path


def arguments_of(config: Optimizer) -> dict[str, Any]:
    """What the class is called with, the rate apart."""
    named = {"betas": config.betas, "eps": config.eps, "weight_decay": config.weight_decay}
    chosen = {key: value for key, value in named.items() if value is not None} | config.arguments
    return {key: tuple(value) if isinstance(value, list) else value for key, value in chosen.items()}


def _maker(path: str, arguments: dict[str, Any]) -> Callable[[list[Group]], torch.optim.Optimizer]:
    """What makes an optimiser of groups; arguments that the class does not take are a user error."""
    cls = _class(path)
    taken = inspect.signature(cls).parameters
    if unknown := [] if "kwargs" in taken else sorted(arguments.keys() - taken.keys()):
        theirs = ", ".join(name for name in taken if name not in ("params", "lr"))
        raise UserError(
            f"{path} takes no {', '.join(unknown)}; it takes {theirs}. Set optimizer.weight_decay, betas or"
            " eps to null, or correct optimizer.arguments"
        )

    def make(groups: list[Group]) -> torch.optim.Optimizer:
        try:
            made: torch.optim.Optimizer = cls(groups, lr=groups[0]["lr"], **arguments)
        except (TypeError, ValueError) as error:
            raise UserError(f"{path} refuses its settings ({error}); correct optimizer.arguments") from error
        return made

    return make


def _class(path: str) -> Callable[..., torch.optim.Optimizer]:
    """The optimiser class that a dotted path names."""
    module, _, name = path.rpartition(".")
    package = path.partition(".")[0]
    try:
        found = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(package)
        cure = f"`pip install athanor[{extra}]`" if extra else f"`pip install` the package of {package}"
        raise UserError(f"optimizer.name {path}: {error}; {cure}") from error
    except (AttributeError, ValueError):
        known = ", ".join(PATHS)
        raise UserError(
            f"optimizer.name {path} is no class; known names: {known}, or a dotted path"
        ) from None
    if not (inspect.isclass(found) and issubclass(found, torch.optim.Optimizer)):
        raise UserError(f"optimizer.name {path} is no torch.optim.Optimizer; give the path of one")
    return found
