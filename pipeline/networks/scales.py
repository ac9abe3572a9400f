"""The scale of each module of an adapter that has alpha in no tensor: from PEFT's settings, in the file's
header or next to it (pipeline/networks/adapter_config.py), if they belong to the weights.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import UserError, warn
from pipeline.networks.adapter_config import PEFT_KEY, AdapterConfig, companion_config, header_configs
from pipeline.networks.module_names import NamedModule

DOWN = "lora_down.weight"
SCALED = ("hada_w1_a", "lokr_w1", "lokr_w1_a")
"""Leaves that get a module's scale from PEFT's settings: one factor of each algorithm's product."""
RANKED = (DOWN, "hada_w1_b", "lokr_w2_b", "lokr_w1_b")
"""Leaves with the rank as first axis."""
FOLDED_KEY = "athanor.alpha"
"""Header entry of diffusers' files that we write: alpha is multiplied into the matrices."""


def stated_scales(
    tensors: Mapping[str, Tensor],
    places: Mapping[str, NamedModule],
    metadata: Mapping[str, str],
    path: Path,
    is_peft: bool,
) -> dict[str, float]:
    """By module, from PEFT's settings. A module's own alpha takes precedence."""
    if FOLDED_KEY in metadata:
        return {}
    open_modules = {name for name in places if f"{name}.alpha" not in tensors}
    stated = _of_modules(header_configs(metadata, path), places)
    for config in {id(each): each for each in stated.values()}.values():
        config.insist_on_little_work(places[name].path for name in stated if stated[name] is config)
    _insist_on_fit(stated, tensors, places, path)
    if open_modules and not stated and is_peft and (companion := companion_config(path)):
        stated = dict.fromkeys(places, companion)
        companion.insist_on_little_work(place.path for place in places.values())
        if misfit := _misfit(stated, tensors, places):
            say_once(f"{companion.origin} does not belong to {path}: {misfit}; it is ignored")
            stated = {}
    if is_peft and open_modules - stated.keys():
        say_once(
            f"{path}: alpha is neither in its header nor in an adapter_config.json next to it; alpha = rank"
            " is used, as in diffusers. If it was trained with another alpha, put PEFT's"
            " adapter_config.json next to the file"
        )
    return {
        name: stated[name].scale_of(places[name].path)
        for name in places
        if name in open_modules & stated.keys()
    }


def _of_modules(
    configs: Mapping[str, AdapterConfig], places: Mapping[str, NamedModule]
) -> dict[str, AdapterConfig]:
    """The settings of each module's part, if there are any."""
    own = {name: configs.get(place.part, configs.get("")) for name, place in places.items()}
    return {name: config for name, config in own.items() if config}


def _insist_on_fit(
    stated: Mapping[str, AdapterConfig],
    tensors: Mapping[str, Tensor],
    places: Mapping[str, NamedModule],
    path: Path,
) -> None:
    """Raises UserError if a file's own header contradicts its weights: the scale is unknown. If the weights
    state alpha themselves, theirs counts, and a warning names both.
    """
    if misfit := _misfit(stated, tensors, places):
        raise UserError(
            f"{path}: {PEFT_KEY} in its header belongs to other weights: {misfit}, so its scale is"
            " unknown; fetch the file again, or save it again with the tool that made it"
        )
    for name, config in stated.items():
        if (rank := _rank_of(name, tensors)) and (alpha := tensors.get(f"{name}.alpha")) is not None:
            ours, theirs = float(alpha), config.scale_of(places[name].path) * rank
            if abs(ours - theirs) > 1e-3 * max(abs(ours), theirs):
                say_once(
                    f"{path}: {places[name].path} has alpha {ours:g} in its weights, and {theirs:g} by"
                    f" {PEFT_KEY} in the header; the alpha of the weights is used"
                )
                return


def _misfit(
    stated: Mapping[str, AdapterConfig], tensors: Mapping[str, Tensor], places: Mapping[str, NamedModule]
) -> str | None:
    """Where the settings' rank differs from the file's."""
    for name, config in stated.items():
        rank, said, place = _rank_of(name, tensors), config.rank_of(places[name].path), places[name].path
        if rank is not None and rank != said:
            return f"{place} has rank {rank} in the file, {said:g} in the settings"
    return None


def _rank_of(name: str, tensors: Mapping[str, Tensor]) -> int | None:
    """None if the module's factors are full."""
    return next((len(tensors[f"{name}.{leaf}"]) for leaf in RANKED if f"{name}.{leaf}" in tensors), None)


def scaled(tensors: Mapping[str, Tensor], scales: Mapping[str, float]) -> dict[str, Tensor]:
    """A LoRA's scale goes into its alpha, so that no number is rounded; other algorithms' into one factor."""
    made = dict(tensors)
    for name, scale in scales.items():
        if f"{name}.{DOWN}" in made:
            made[f"{name}.alpha"] = torch.tensor(scale * len(made[f"{name}.{DOWN}"]))
            continue
        for leaf in SCALED:
            if f"{name}.{leaf}" in made:
                made[f"{name}.{leaf}"] = made[f"{name}.{leaf}"].float() * scale
    return made


@cache
def say_once(message: str) -> None:
    """Warns once, however often a command reads the file."""
    warn(message)
