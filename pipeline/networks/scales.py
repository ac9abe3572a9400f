"""The scale of each module of an adapter whose alpha is in no tensor: as PEFT's settings say, in the file's
header or beside it (pipeline/networks/adapter_config.py), if they are those of the weights.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import UserError, warn
from pipeline.networks.adapter_config import PEFT_KEY, AdapterConfig, companion_config, header_configs
from pipeline.networks.module_names import NamedModule

DOWN_LEAF = "lora_down.weight"
SCALED = ("hada_w1_a", "lokr_w1", "lokr_w1_a")
"""Leaves that carry a module's scale where PEFT's settings say it: one factor of each algorithm's product."""
RANKED = (DOWN_LEAF, "hada_w1_b", "lokr_w2_b", "lokr_w1_b")
"""Leaves whose first axis is the rank."""
FOLDED_KEY = "athanor.alpha"
"""Header entry of diffusers' files that we write: alpha is multiplied into the matrices."""


def stated_scales(
    found: Mapping[str, Tensor],
    places: Mapping[str, NamedModule],
    metadata: Mapping[str, str],
    path: Path,
    is_peft: bool,
) -> dict[str, float]:
    """By module, where PEFT's settings say it. A module's own alpha goes before them."""
    if FOLDED_KEY in metadata:
        return {}
    open_modules = {name for name in places if f"{name}.alpha" not in found}
    stated = _of_modules(header_configs(metadata, path), places)
    for config in {id(each): each for each in stated.values()}.values():
        config.insist_on_little_work(places[name].path for name in stated if stated[name] is config)
    _insist_on_fit(stated, found, places, path)
    if open_modules and not stated and is_peft and (beside := companion_config(path)):
        stated = dict.fromkeys(places, beside)
        beside.insist_on_little_work(place.path for place in places.values())
        if stranger := _misfit(stated, found, places):
            say_once(f"{beside.origin} is not of {path}: {stranger}; it is not used")
            stated = {}
    if is_peft and open_modules - stated.keys():
        say_once(
            f"{path}: alpha is neither in its header nor in an adapter_config.json beside it; alpha = rank is"
            " taken, as diffusers does. If it was trained with another, put PEFT's adapter_config.json beside"
            " the file"
        )
    return {
        name: stated[name].scale_of(places[name].path)
        for name in places
        if name in open_modules & stated.keys()
    }


def _of_modules(
    configs: Mapping[str, AdapterConfig], places: Mapping[str, NamedModule]
) -> dict[str, AdapterConfig]:
    """The settings of each module's part, where there are such."""
    own = {name: configs.get(place.part, configs.get("")) for name, place in places.items()}
    return {name: config for name, config in own.items() if config}


def _insist_on_fit(
    stated: Mapping[str, AdapterConfig],
    found: Mapping[str, Tensor],
    places: Mapping[str, NamedModule],
    path: Path,
) -> None:
    """A file's own header that contradicts its weights leaves open how strong the file is. Where the weights
    say their alpha themselves, that one counts, and the other is named.
    """
    if misfit := _misfit(stated, found, places):
        raise UserError(
            f"{path}: {PEFT_KEY} in its header is of other weights: {misfit}, so that its strength is"
            " unknown; fetch the file again, or save it again with the tool that made it"
        )
    for name, config in stated.items():
        if (rank := _rank_of(name, found)) and (alpha := found.get(f"{name}.alpha")) is not None:
            ours, theirs = float(alpha), config.scale_of(places[name].path) * rank
            if abs(ours - theirs) > 1e-3 * max(abs(ours), theirs):
                say_once(
                    f"{path}: {places[name].path} has alpha {ours:g} in its weights, and {theirs:g} by"
                    f" {PEFT_KEY} in the header; that of the weights is used"
                )
                return


def _misfit(
    stated: Mapping[str, AdapterConfig], found: Mapping[str, Tensor], places: Mapping[str, NamedModule]
) -> str | None:
    """Where the settings' rank is not the file's."""
    for name, config in stated.items():
        rank, said, place = _rank_of(name, found), config.rank_of(places[name].path), places[name].path
        if rank is not None and rank != said:
            return f"{place} has rank {rank} there, {said:g} in the settings"
    return None


def _rank_of(name: str, found: Mapping[str, Tensor]) -> int | None:
    """None where the module's factors are full."""
    return next((len(found[f"{name}.{leaf}"]) for leaf in RANKED if f"{name}.{leaf}" in found), None)


def scaled(found: Mapping[str, Tensor], scales: Mapping[str, float]) -> dict[str, Tensor]:
    """A LoRA's scale goes into its alpha, so that no number is rounded; elsewhere into one factor."""
    made = dict(found)
    for name, scale in scales.items():
        if f"{name}.{DOWN_LEAF}" in made:
            made[f"{name}.alpha"] = torch.tensor(scale * len(made[f"{name}.{DOWN_LEAF}"]))
            continue
        for leaf in SCALED:
            if f"{name}.{leaf}" in made:
                made[f"{name}.{leaf}"] = made[f"{name}.{leaf}"].float() * scale
    return made


@cache
def say_once(message: str) -> None:
    """However often a command reads the file."""
    warn(message)
