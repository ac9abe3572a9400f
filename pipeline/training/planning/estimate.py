"""Estimates a training's memory in seconds, before any weight is read: from the base's configuration and
headers, and a forward pass of its U-Net on tensors that have a shape and no numbers.

`cost.py` counts a whole step, which takes ten times as long; both agree within a quarter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.bases.base import Base
from pipeline.networks.checkpoint import base_weights, rates_of
from pipeline.networks.families import create
from pipeline.schemas import AdapterNetworkConfig, CheckpointConfig, Config
from pipeline.training.planning.cost import copied_bytes, kept_bytes
from pipeline.training.precision import FULL
from pipeline.training.text_outputs import are_fixed

EIGHT_BIT_BYTES = 1.08
"""Bytes of a weight where base_precision is int8: a few small layers are not rounded."""
_IN_BLOCKS = 0.8
"""Share of a denoiser's weights in blocks that can wait outside, less the two that work."""


@dataclass(frozen=True)
class TrainingNumbers:
    """How many numbers a training holds. kept: of one picture's activations; recomputed: the same with
    gradient checkpointing. t5: of a text encoder that no network changes. own_denoiser, own_texts: of
    `learning`, the base's own weights.
    """

    denoiser: int
    texts: int
    learning: int
    kept: int
    recomputed: int
    t5: int = 0
    own_denoiser: int = 0
    own_texts: int = 0


def numbers_of(config: Config, base: Base, width_px: int, height_px: int) -> TrainingNumbers:
    """`width_px`, `height_px`: of the largest pictures. Reads no weight of the base."""
    parts = {part.name: part.outline(base.configs[part.name]) for part in base.family.trained_parts}
    unet = parts.pop(base.family.denoiser.name)
    kept, recomputed = _activations(unet, base, width_px, height_px)
    own = _own(config, base, {base.family.denoiser.name: unet, **parts})
    return TrainingNumbers(
        denoiser=_numbers(unet) + sum(table.numel() for table in unet.buffers()),
        texts=sum(map(_numbers, parts.values())),
        learning=sum(own) or _learning(config, base, {base.family.denoiser.name: unet, **parts}),
        kept=round(base.family.kept_share * kept),
        recomputed=round(base.family.kept_share * recomputed),
        t5=sum(_numbers(part.outline(base.configs[part.name])) for part in base.parts if part.is_optional),
        own_denoiser=own[0],
        own_texts=own[1],
    )


def needed_bytes(numbers: TrainingNumbers, config: Config) -> int:
    """At the peak: in a step, or before the first one, when texts are encoded whose outputs are kept."""
    return round(max(_in_step(numbers, config), _before(numbers, config)))


def _in_step(numbers: TrainingNumbers, config: Config) -> float:
    """Of weights, gradients, the optimiser's state and a batch's activations."""
    train, dtype = config.train, _trained_dtype(config)
    own = dtype.itemsize
    gradients = 0 if train.fused_backward else own  # fused, one weight's at a time
    a_weight = own + gradients + copied_bytes(config, dtype) + kept_bytes(config, dtype)
    texts = 0 if are_fixed(config) else _texts(numbers, config)
    picture = numbers.recomputed if train.gradient_checkpointing else numbers.kept
    if train.preserves:
        picture *= 2  # the pass for class captions waits for its gradients, too
    split = train.devices * train.num_nodes if train.strategy == "fsdp" else 1
    fixed = (_denoiser(numbers, config) + texts + a_weight * numbers.learning) / split
    return fixed - _away(numbers, config) + _width(config) * picture * train.batch


def _before(numbers: TrainingNumbers, config: Config) -> float:
    """Text encoders come first, and leave before the first step; sample pictures bring them back."""
    if not are_fixed(config):
        return 0
    dtype = _trained_dtype(config)
    fixed = _texts(numbers, config) + dtype.itemsize * numbers.learning
    if not config.logging.sample_prompts:
        return fixed
    in_use = _denoiser(numbers, config) - _away(numbers, config)
    return fixed + in_use + kept_bytes(config, dtype) * numbers.learning


def _width(config: Config) -> int:
    """Bytes of a number of the forward pass."""
    return 4 if config.train.precision == "fp32" else 2


def _held(config: Config) -> float:
    """Bytes of a frozen weight."""
    return EIGHT_BIT_BYTES if config.train.base_precision == "int8" else _width(config)


def _trained_dtype(config: Config) -> torch.dtype:
    in_bf16 = getattr(config.network, "weight_precision", "fp32") == "bf16"
    return torch.bfloat16 if in_bf16 or config.train.precision.endswith(FULL) else torch.float32


def _denoiser(numbers: TrainingNumbers, config: Config) -> float:
    """Of the denoiser's weights that do not learn themselves."""
    return _frozen(config, numbers.own_denoiser) * (numbers.denoiser - numbers.own_denoiser)


def _texts(numbers: TrainingNumbers, config: Config) -> float:
    """Of the text encoders' weights that do not learn themselves."""
    t5 = EIGHT_BIT_BYTES if config.base.t5 == "int8" else _held(config)
    return _frozen(config, numbers.own_texts) * (numbers.texts - numbers.own_texts) + t5 * numbers.t5


def _frozen(config: Config, own: int) -> float:
    """Bytes of a frozen weight of a part of which so many weights learn: mixed precision leaves it whole."""
    return 4 if own and not config.train.precision.endswith(FULL) else _held(config)


def _away(numbers: TrainingNumbers, config: Config) -> float:
    """Of blocks that wait in the machine's memory."""
    whole = isinstance(config.network, CheckpointConfig)
    width = _trained_dtype(config).itemsize if whole else _held(config)
    return config.train.offload * _IN_BLOCKS * numbers.denoiser * width


def _numbers(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _learning(config: Config, base: Base, parts: dict[str, nn.Module]) -> int:
    """How many numbers of a network are trained; those of an embedding or a hypernetwork are too few to
    count.
    """
    if not isinstance(config.network, AdapterNetworkConfig):
        return 0
    for part in parts.values():  # the memory is never written, so that it takes none
        part.to(torch.bfloat16).to_empty(device="cpu").requires_grad_(False)
    empty = Base(base.family, base.tokenizer, parts, base.configs)
    return sum(parameter.numel() for parameter in create(config.network, empty, config.seed).parameters())


def _own(config: Config, base: Base, parts: dict[str, nn.Module]) -> tuple[int, int]:
    """How many of the denoiser's and of the text encoders' own numbers are trained."""
    if not isinstance(config.network, CheckpointConfig):
        return 0, 0
    weights = base_weights(Base(base.family, base.tokenizer, parts, base.configs))
    chosen = {name: weights[name].numel() for name in rates_of(config.network, base, weights)}
    name_of = base.family.denoiser.name
    denoiser = sum(number for name, number in chosen.items() if name.partition(".")[0] == name_of)
    return denoiser, sum(chosen.values()) - denoiser


def _activations(unet: nn.Module, base: Base, width_px: int, height_px: int) -> tuple[int, int]:
    """Numbers in the outputs of all layers; and with gradient checkpointing: those of the units and of the
    layers outside them, and all of the largest unit.
    """
    made, configs = base.family, base.configs
    counted = _Outputs(unet, made.recomputed_blocks)
    noisy = torch.empty(1, *base.latents.shape(width_px, height_px), device="meta")
    alone = Base(made, base.tokenizer, {made.denoiser.name: unet}, configs)
    with torch.no_grad():
        made.predict(alone, noisy, torch.empty(1, device="meta"), made.blank_conditioning(configs))
    counted.remove()
    return counted.all, counted.outside + max(counted.inside.values(), default=0)


class _Outputs:
    """Counts the numbers that a forward pass of `module` makes."""

    def __init__(self, module: nn.Module, kinds: Sequence[str]) -> None:
        self.all = self.outside = 0
        self.inside: dict[str, int] = {}
        units = [name for name, each in module.named_modules() if type(each).__name__ in kinds]
        self._hooks = [
            each.register_forward_hook(self._noting(_unit(name, units), name in units))
            for name, each in module.named_modules()
            if name in units or not list(each.children())
        ]

    def _noting(self, unit: str | None, is_unit: bool) -> Any:
        def note(_: nn.Module, __: Any, made: Any) -> None:
            given = made if isinstance(made, tuple) else (made,)  # pictures and texts of a joint block
            number = sum(each.numel() for each in given if isinstance(each, Tensor))
            if is_unit or unit is None:
                self.outside += number
            if not is_unit:
                self.all += number
            if unit is not None and not is_unit:
                self.inside[unit] = self.inside.get(unit, 0) + number

        return note

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()


def _unit(name: str, units: list[str]) -> str | None:
    return next((unit for unit in units if name == unit or name.startswith(f"{unit}.")), None)
