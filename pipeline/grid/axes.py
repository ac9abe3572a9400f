"""The axes of a grid: how to read their values, what each value changes in a cell, and its label.

Nothing here draws or loads torch; the check of the configuration uses it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, sqrt
from pathlib import Path
from typing import Any

from pipeline.config.ranges import RangeValues, reals, texts, texts_or_none, wholes
from pipeline.errors import UserError
from pipeline.grid.merge_axes import Variation, block_curves
from pipeline.number_text import NumberError
from pipeline.prompts.block_weights import BlockWeights, block_weights
from pipeline.prompts.settings import LEAST_SIDE_PX, SIDE_STEP_PX, DrawingSettings, PictureJob, side_px
from pipeline.schemas.samplers import A1111_NAMES, sampler_name
from pipeline.seeds import MOST_SEED


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell's model, prompts and seeds; each prompt is drawn with each seed."""

    checkpoint: str | None
    """None: the configured base."""
    network: Path | None
    """None: the base alone; weight and blocks then have no effect."""
    weight: float
    blocks: BlockWeights | None
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: DrawingSettings
    merge: Variation | None = None
    """Changes to the grid's recipe; None: no merge."""

    @property
    def jobs(self) -> list[PictureJob]:
        return [PictureJob(prompt, seed) for prompt in self.prompts for seed in self.seeds]

    @property
    def per_row(self) -> int:
        """Pictures per row of the cell: one prompt's seeds; with one seed, about a square."""
        return len(self.seeds) if len(self.seeds) > 1 else ceil(sqrt(len(self.prompts)))

    def alone(self) -> "Cell":
        """The cell without its network; a merged cell without a network becomes the configured base."""
        merge = self.merge if self.network else None
        return replace(self, network=None, weight=0.0, blocks=None, merge=merge)


@dataclass(frozen=True)
class Axis:
    """How to read the values, apply one to a cell, and label it."""

    read: Callable[[RangeValues], list[Any]]
    apply: Callable[[Cell, Any], Cell]
    label: Callable[[Any], str]


@dataclass(frozen=True)
class Replacement:
    """Words to search for, and their replacement."""

    old: str
    new: str


def search_and_replace(values: RangeValues) -> list[Replacement]:
    """The first text is the search text. It is also the first value, so that the unchanged prompt comes
    first. An empty text deletes the words.
    """
    words = texts_or_none(values)
    if not words[0]:
        raise UserError("the first value of a search_replace axis is empty; write the words to search for")
    return [Replacement(words[0], word) for word in words]


def replaced(cell: Cell, words: Replacement) -> Cell:
    """Replaces the words in the prompts and the negative prompt. Raises UserError if none has them."""
    negative = cell.settings.negative_prompt
    if not any(words.old in text for text in (*cell.prompts, negative)):
        raise UserError(
            f"{words.old!r}, the first value of a search_replace axis, is in no prompt;"
            " correct it or sample_grid.prompts"
        )
    return replace(
        cell,
        prompts=tuple(prompt.replace(words.old, words.new) for prompt in cell.prompts),
        settings=replace(cell.settings, negative_prompt=negative.replace(words.old, words.new)),
    )


def sampler_names(values: RangeValues) -> list[str]:
    """Sampler names, in any spelling that `sample_grid.sampler` accepts."""
    names, problems = [], []
    for text in texts(values):
        try:
            names.append(sampler_name(text))
        except ValueError as error:
            problems.append(f"{text!r}: {error}")
    if problems:
        raise UserError(*problems)
    return names


def sides(values: RangeValues) -> list[tuple[int, int]]:
    """(width, height) of `512` or `512x768`, px, each a multiple of 8."""
    resolutions = []
    for text in texts(values):
        numbers = text.lower().split("x")
        if len(numbers) > 2 or "" in numbers:
            raise UserError(f"{text[:40]!r} is not a resolution; write `512`, or `512x768` (width x height)")
        try:
            width, height = side_px(numbers[0]), side_px(numbers[-1])
        except NumberError as error:
            raise UserError(
                f"{text[:40]!r}: sides must be multiples of {SIDE_STEP_PX}, at least {LEAST_SIDE_PX}; {error}"
            ) from None
        resolutions.append((width, height))
    return resolutions


def bounded(
    read: Callable[[RangeValues], list[Any]], low: float, high: float
) -> Callable[[RangeValues], list[Any]]:
    """Reads as `read` does, and checks that each value is between `low` and `high`."""

    def within(values: RangeValues) -> list[Any]:
        numbers = read(values)
        if wrong := [number for number in numbers if not low <= number <= high]:
            limits = f"at least {low:g}" if high == float("inf") else f"from {_shown(low)} to {_shown(high)}"
            raise UserError(f"{', '.join(map(_shown, wrong))}: must be {limits}")
        return numbers

    return within


def _shown(value: Any) -> str:
    """Shows whole numbers with all digits: seeds may differ only in the last."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _setting(name: str) -> Callable[[Cell, Any], Cell]:
    return lambda cell, value: replace(cell, settings=replace(cell.settings, **{name: value}))


def _field(name: str) -> Callable[[Cell, Any], Cell]:
    return lambda cell, value: replace(cell, **{name: value})


def _second(name: str) -> Callable[[Cell, Any], Cell]:
    def applied(cell: Cell, value: Any) -> Cell:
        second = cell.settings.second_pass
        assert second  # the axes were checked
        return replace(cell, settings=replace(cell.settings, second_pass=replace(second, **{name: value})))

    return applied


def _merged(name: str) -> Callable[[Cell, Any], Cell]:
    return lambda cell, value: replace(
        cell, merge=tuple(sorted({**dict(cell.merge or ()), name: value}.items()))
    )


def _named(name: str) -> Callable[[Any], str]:
    return lambda value: f"{name} {_shown(value)}"


INF = float("inf")
GRID_AXES: dict[str, Axis] = {
    "checkpoint": Axis(
        texts,
        lambda cell, value: replace(cell, checkpoint=None if value == "base" else value),
        lambda value: Path(value).stem,
    ),
    "merge_alpha": Axis(reals, _merged("alpha"), _named("alpha")),
    "merge_beta": Axis(reals, _merged("beta"), _named("beta")),
    "merge_blocks": Axis(block_curves, _merged("blocks"), str),
    "merge_base_alpha": Axis(reals, _merged("base_alpha"), _named("base alpha")),
    "network": Axis(texts, _field("network"), lambda path: path.stem),
    "block_weights": Axis(
        lambda values: [block_weights(text) for text in texts(values)],
        _field("blocks"),
        lambda blocks: f"blocks {blocks.name}",
    ),
    "weight": Axis(reals, _field("weight"), _named("weight")),
    "clip_skip": Axis(bounded(wholes, 1, 12), _setting("clip_skip"), _named("clip skip")),
    "prompt": Axis(texts, lambda cell, value: replace(cell, prompts=(value,)), str),
    "search_replace": Axis(search_and_replace, replaced, lambda words: words.new or f"without {words.old}"),
    "negative_prompt": Axis(
        texts_or_none,
        _setting("negative_prompt"),
        lambda text: f"not: {text}" if text else "no negative prompt",
    ),
    "resolution": Axis(
        sides,
        lambda cell, value: replace(cell, settings=replace(cell.settings, width=value[0], height=value[1])),
        lambda value: f"{value[0]}x{value[1]} px",
    ),
    "sampler": Axis(sampler_names, _setting("sampler"), lambda name: A1111_NAMES[name]),
    "steps": Axis(bounded(wholes, 1, INF), _setting("steps"), _named("steps")),
    "guidance": Axis(bounded(reals, 0, INF), _setting("guidance"), _named("guidance")),
    "seed": Axis(
        bounded(wholes, 0, MOST_SEED), lambda cell, value: replace(cell, seeds=(value,)), _named("seed")
    ),
    "second_pass_scale": Axis(bounded(reals, 1, 8), _second("scale"), _named("enlarged")),
    "second_pass_steps": Axis(bounded(wholes, 1, INF), _second("steps"), _named("second steps")),
    "second_pass_strength": Axis(bounded(reals, 0.01, 1), _second("strength"), _named("strength")),
}
"""By name."""
