"""The optimiser, by name or by the dotted path of any class; each part has its own learning rate."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from pipeline.bases.parts import Part
from pipeline.errors import UserError, warn
from pipeline.networks.trained import by_lr_factor
from pipeline.schemas import OptimizerConfig
from pipeline.training.chained import ChainedOptimizer

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
EXTRA_OF_PACKAGE = {"bitsandbytes": "cuda"} | dict.fromkeys(
    ("lion_pytorch", "dadaptation", "prodigyopt", "schedulefree"), "optimizers"
)
"""Athanor's extra that installs a package."""
ONE_LR = ("dadaptation", "prodigyopt")
"""Packages whose classes accept only one learning rate: each rate gets its own optimiser."""
FUSED_OPTIMIZERS = ("torch.optim.AdamW", "torch.optim.SGD")
"""Classes with a fused step, which is faster."""

ParameterGroup = dict[str, Any]


def make_optimizer(
    config: OptimizerConfig, parts: Mapping[Part, list[nn.Parameter]], *, fused: bool = True
) -> torch.optim.Optimizer:
    """`parts`: parameters by part of the base. A part without parameters gets no group, one with rate factors
    (by block, LoRA+) a group for each factor. `fused`: use a fused step if the class has one; a gradient
    scaler cannot clip before it.
    """
    path, arguments = class_path(config), arguments_of(config)
    if path in FUSED_OPTIMIZERS:
        arguments = {"fused": fused, **arguments}
    make = _maker(path, arguments)
    groups = lr_groups(config, parts)
    if path.partition(".")[0] not in ONE_LR:
        return make(groups)
    return chained_where_lrs_differ(groups, make)


def lr_groups(config: OptimizerConfig, parts: Mapping[Part, list[nn.Parameter]]) -> list[ParameterGroup]:
    """A group for each part and rate factor."""
    return [
        {"params": chosen, "lr": config.lr_of(part.lr) * factor, "name": part.name, "rate_factor": factor}
        for part, parameters in parts.items()
        for factor, chosen in by_lr_factor(parameters).items()
    ]


def chained_where_lrs_differ(
    groups: Sequence[ParameterGroup], make: Callable[[list[ParameterGroup]], torch.optim.Optimizer]
) -> torch.optim.Optimizer:
    """One optimiser if all rates are equal: it finds one rate for all, as in sd-scripts. Else one optimiser
    for each rate, which finds its own.
    """
    by_rate: dict[float, list[ParameterGroup]] = {}
    for group in groups:
        by_rate.setdefault(group["lr"], []).append(group)
    made = [make(equal) for equal in by_rate.values()]
    return made[0] if len(made) == 1 else ChainedOptimizer(made)


def set_averaging(optimizers: Sequence[torch.optim.Optimizer], on: bool) -> None:
    """Schedule-free: switches the weights to the average (to save or draw samples), or back to those of the
    next step. Does nothing for other optimisers.
    """
    for optimizer in optimizers:
        if change := getattr(optimizer, "eval" if on else "train", None):
            change()


def class_path(config: OptimizerConfig) -> str:
    """The class's dotted path. Without CUDA or its package, AdamW8bit becomes AdamW with a warning."""
    path = PATHS.get(config.name, config.name)
    if config.name != "adamw8bit":
        return path
    problems = [
        *([] if torch.cuda.is_available() else ["there is no CUDA device"]),
        *(
            []
            if find_spec("bitsandbytes")
            else ["bitsandbytes is not installed (`pip install athanor[cuda]`)"]
        ),
    ]
    if problems:
        warn(f"optimizer.name adamw8bit: {' and '.join(problems)}; using plain AdamW instead")
    return PATHS["adamw"] if problems else path


def arguments_of(config: OptimizerConfig) -> dict[str, Any]:
    """The class's arguments, without the learning rate."""
    named = {"betas": config.betas, "eps": config.eps, "weight_decay": config.weight_decay}
    chosen = {key: value for key, value in named.items() if value is not None} | config.arguments
    return {key: tuple(value) if isinstance(value, list) else value for key, value in chosen.items()}


def _maker(path: str, arguments: dict[str, Any]) -> Callable[[list[ParameterGroup]], torch.optim.Optimizer]:
    """A function from groups to the optimiser. Arguments that the class does not have are a user error."""
    cls = _class(path)
    accepted = inspect.signature(cls).parameters
    if unknown := [] if "kwargs" in accepted else sorted(arguments.keys() - accepted.keys()):
        allowed = ", ".join(name for name in accepted if name not in ("params", "lr"))
        raise UserError(
            f"{path} has no argument {', '.join(unknown)}; it has {allowed}. Set optimizer.weight_decay,"
            " betas or eps to null, or correct optimizer.arguments"
        )

    def make(groups: list[ParameterGroup]) -> torch.optim.Optimizer:
        try:
            made: torch.optim.Optimizer = cls(groups, lr=groups[0]["lr"], **arguments)
        except (TypeError, ValueError) as error:
            raise UserError(f"{path} rejects its arguments ({error}); correct optimizer.arguments") from error
        return made

    return make


def _class(path: str) -> Callable[..., torch.optim.Optimizer]:
    """The optimiser class that a dotted path names."""
    module, _, name = path.rpartition(".")
    package = path.partition(".")[0]
    try:
        cls = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        extra = EXTRA_OF_PACKAGE.get(package)
        cure = f"`pip install athanor[{extra}]`" if extra else f"`pip install` the package of {package}"
        raise UserError(f"optimizer.name {path}: {error}; {cure}") from error
    except (AttributeError, ValueError):
        known = ", ".join(PATHS)
        raise UserError(
            f"optimizer.name {path} is not a class; use one of {known}, or a dotted path"
        ) from None
    if not (inspect.isclass(cls) and issubclass(cls, torch.optim.Optimizer)):
        raise UserError(f"optimizer.name {path} is not a torch.optim.Optimizer; give the path of one")
    return cls
