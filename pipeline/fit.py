"""`python -m pipeline.fit`: asks this computer's card, and writes into params.yaml the settings with which
the run fits: the preset `use.memory` for it, and what else is needed.

It writes them down once, and is no setting that each run finds out: a recipe in git then says what was
trained, and gives the same run on every computer.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from operator import attrgetter
from typing import Any

import torch

from pipeline.bases.load import load_base
from pipeline.command import run
from pipeline.config.check import check, resolve
from pipeline.config.compose import MEMORY, PARAMS, Params, options, read_params
from pipeline.config.params_edit import with_values
from pipeline.errors import UserError
from pipeline.files.atomic import write_text
from pipeline.files.text_file import SETTINGS_FILE
from pipeline.files.yaml_text import text_of
from pipeline.schemas import AestheticConfig, Config
from pipeline.training.planning.drawing_room import drawing_bytes
from pipeline.training.planning.estimate import needed_bytes, numbers_of
from pipeline.training.planning.room import SHARE, cheapest, size, too_small
from pipeline.typed_numbers import whole_number
from pipeline.unused_card import hidden_cards, unused_card

WITHOUT_BF16 = {
    "train.precision": {"bf16": "fp16", "bf16_full": "fp16_full"},
    "base.vae_precision": {"bf16": "fp32"},
    "sample_grid.precision": {"bf16": "fp16"},
    "class_images.precision": {"bf16": "fp16"},
}
"""What to take instead on cards before RTX 30, which compute bf16 slowly or not at all."""
PRECISION, OPTIMIZER = "train.precision", "optimizer.name"


@dataclass(frozen=True)
class GpuCard:
    """name: as its driver says; gb: of memory, as it is sold (12 for 11.8 GiB)."""

    name: str
    gb: int
    has_bf16: bool = True


IN_TURN = {"sample_grid.model_offload": True, "class_images.model_offload": True}
SAVING = ("train.offload", "train.base_precision", "train.ema_decay", "base.t5", "network.text_encoder")
"""Settings that `fit` may have written for a smaller card, and that cost something."""


@dataclass(frozen=True)
class Fitting:
    """What goes into params.yaml, and the memory that the run then needs. needless: settings that are there
    already, any one of which this card does not need. too_much: bytes in which the grid would be drawn, if
    the card has fewer.
    """

    use: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)
    needed: int | None = None
    needless: tuple[str, ...] = ()
    too_much: int | None = None


def this_card() -> GpuCard:
    if not torch.cuda.is_available():
        why = unused_card() or hidden_cards() or "torch sees no NVIDIA card here"
        raise UserError(f"{why}; to write settings for another card, name its memory: `--card 8`")
    properties = torch.cuda.get_device_properties(torch.device("cuda"))
    has_bf16 = torch.cuda.get_device_capability()[0] >= 8
    return GpuCard(properties.name, ceil(properties.total_memory / 2**30), has_bf16)


def preset_for(gb: int) -> str:
    """The largest preset for at most so much memory, else the smallest."""
    sizes = sorted(int(name.removesuffix("gb")) for name in options(MEMORY))
    return f"{max([size for size in sizes if size <= gb], default=sizes[0])}gb"


def fitting(params: Params, card: GpuCard) -> Fitting:
    """The preset; fp16 for a card without bf16; and the least harmful settings that the run still needs."""
    use = {MEMORY: preset_for(card.gb)}
    config = _with_preset(params, use)
    values: dict[str, Any] = {} if card.has_bf16 else _without_bf16(config)
    config = _with(params, use, values)
    if isinstance(config.network, AestheticConfig):
        return Fitting(use, values)
    side = config.crop.resolution
    numbers = numbers_of(config, load_base(config.base), side, side)

    def needs(each: Config) -> int:
        return needed_bytes(numbers, each)

    asked = {PRECISION} if PRECISION in params.values or PRECISION in values else set[str]()
    limit = round(card.gb * 2**30 * SHARE)
    found = cheapest(config, needs, limit, asked)
    if found is None:
        raise UserError(f"{too_small(config, needs, card.gb * 2**30)}; {PARAMS} is as it was")
    for key, value in (pair for lever in found for pair in lever.values):
        if key == OPTIMIZER and key not in params.values:  # a name in params.yaml goes before an option
            use = {**use, "optimizer": value}
        else:
            values[key] = value
    whole = _with(params, use, values)
    needless = tuple(
        key
        for key in SAVING
        if key in params.values
        and (without := _without(params, use, values, key)) != whole
        and needs(whole) < needs(without) <= limit
    )
    drawn = drawing_bytes(numbers, whole)
    if drawn > limit and not whole.sample_grid.model_offload:
        in_turn = _with(params, use, {**values, **IN_TURN})
        if (less := drawing_bytes(numbers, in_turn)) < drawn:
            drawn, values = less, {**values, **IN_TURN}
    return Fitting(use, values, needs(whole), needless, drawn if drawn > limit else None)


def _with_preset(params: Params, use: dict[str, str]) -> Config:
    """Raises UserError, also for a setting of a smaller card that contradicts the preset."""
    try:
        return _with(params, use, {})
    except UserError as error:
        for key in (key for key in SAVING if key in params.values):
            try:
                _without(params, use, {}, key)
            except UserError:
                continue
            raise UserError(
                f"{key} in {PARAMS} saves memory, and does not go with use.memory: {use[MEMORY]}: remove it"
                f" if it was set for a smaller card. {error}"
            ) from None
        raise


def _without_bf16(config: Config) -> dict[str, Any]:
    """Only what is in bf16 changes; a recorded step, which fp16 forbids, becomes a plain one."""
    now = {key: attrgetter(key)(config) for key in WITHOUT_BF16}
    values = {key: WITHOUT_BF16[key][value] for key, value in now.items() if value in WITHOUT_BF16[key]}
    return (
        {**values, "train.cuda_graph": False} if PRECISION in values and config.train.cuda_graph else values
    )


def _without(params: Params, use: dict[str, str], values: dict[str, Any], key: str) -> Config:
    """The run without one of the values of params.yaml."""
    left = {name: value for name, value in params.values.items() if name != key}
    return _with(Params(params.use, left), use, values)


def _with(params: Params, use: dict[str, str], values: dict[str, Any]) -> Config:
    return check(resolve(Params({**params.use, **use}, {**params.values, **values})))


def said(card: GpuCard, made: Fitting) -> str:
    lines = [f"use.{group}: {option}" for group, option in made.use.items()]
    lines += [f"{key}: {str(value).lower()}" for key, value in made.values.items()]
    room = "" if made.needed is None else f"; a step needs about {size(made.needed)} (an estimate)"
    left = [
        f"\n{key} in {PARAMS} saves memory that this card has: remove it if it was set for a smaller one"
        for key in made.needless
    ]
    if made.too_much is not None:
        left.append(
            f"\ndrawing the grid needs about {size(made.too_much)}, which this card does not have: draw it on"
            " the CPU (`CUDA_VISIBLE_DEVICES= dvc repro sample-grid`), or with a smaller sample_grid.batch or"
            " resolution"
        )
    return f"{card.name}, {card.gb} GB: {PARAMS} now has {', '.join(lines)}{room}{''.join(left)}"


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.fit", description=__doc__)
    parser.add_argument(
        "--card", type=whole_number(1, 1024), metavar="GB", help="a card of so much memory, not this one"
    )
    parser.add_argument(
        "--no-bf16",
        action="store_true",
        help="a card before RTX 30, which computes bf16 slowly or not at all",
    )
    chosen = parser.parse_args(arguments)
    card = GpuCard("a card", chosen.card) if chosen.card else this_card()
    if chosen.no_bf16:
        card = replace(card, has_bf16=False)
    made = fitting(read_params(), card)
    write_text(PARAMS, with_values(text_of(PARAMS, SETTINGS_FILE), made.use, made.values))
    print(said(card, made))


if __name__ == "__main__":
    run(main)
