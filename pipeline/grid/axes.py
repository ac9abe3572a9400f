"""What an axis of a grid can vary: how its values are read, what each changes in a cell, what it is called.

Nothing here draws or loads torch: the configuration is checked with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, sqrt
from pathlib import Path
from typing import Any

from pipeline.config.ranges import Values, reals, texts, texts_or_none, wholes
from pipeline.config.schemas.samplers import LABELS, sampler_name
from pipeline.errors import UserError
from pipeline.grid.merge_axes import Variation, block_curves
from pipeline.number_text import NumberError
from pipeline.prompts.block_weights import BlockWeights, block_weights
from pipeline.prompts.settings import LEAST_SIDE_PX, SIDE_STEP_PX, Job, Settings, side_px
from pipeline.seeds import MOST_SEED


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is drawn in one place: the model, and every prompt with every seed."""

    checkpoint: str | None
    """None: the configured base."""
    network: Path | None
    """None: the base alone; then weight and blocks mean nothing."""
    weight: float
    blocks: BlockWeights | None
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: Settings
    merge: Variation | None = None
    """What the grid's recipe has otherwise; None: no merge."""

    @property
    def jobs(self) -> list[Job]:
        return [Job(prompt, seed) for prompt in self.prompts for seed in self.seeds]

    @property
    def per_row(self) -> int:
        """Pictures side by side when the cell is shown: a prompt's seeds; with one seed, a square."""
        return len(self.seeds) if len(self.seeds) > 1 else ceil(sqrt(len(self.prompts)))

    def alone(self) -> "Cell":
        """The same without a network; of a merge without one, the configured base."""
        merge = self.merge if self.network else None
        return replace(self, network=None, weight=0.0, blocks=None, merge=merge)


@dataclass(frozen=True)
class Axis:
    """How values are read, what each changes in a cell, and what it is called."""

    read: Callable[[Values], list[Any]]
    apply: Callable[[Cell, Any], Cell]
    label: Callable[[Any], str]


@dataclass(frozen=True)
class Replacement:
    """The searched-for words, and what stands in their place."""

    old: str
    new: str


def search_and_replace(values: Values) -> list[Replacement]:
    """The first text is searched for; it is a value of its own, so that the prompt as it is comes first. An
    empty one takes it away.
    """
    words = texts_or_none(values)
    if not words[0]:
        raise UserError("the first value of a search_replace axis is searched for; it cannot be empty")
    return [Replacement(words[0], word) for word in words]


def replaced(cell: Cell, words: Replacement) -> Cell:
    """In the prompts that have the words, and in the negative prompt; nowhere is a user error."""
    negative = cell.settings.negative_prompt
    if not any(words.old in text for text in (*cell.prompts, negative)):
        raise UserError(
            f"{words.old!r}, the first value of a search_replace axis, stands in no prompt; it is what the"
            " others replace: correct it, or sample_grid.prompts"
        )
    return replace(
        cell,
        prompts=tuple(prompt.replace(words.old, words.new) for prompt in cell.prompts),
        settings=replace(cell.settings, negative_prompt=negative.replace(words.old, words.new)),
    )


def sampler_names(values: Values) -> list[str]:
    """Samplers in any spelling that `sample_grid.sampler` takes."""
    names, problems = [], []
    for text in texts(values):
        try:
            names.append(sampler_name(text))
        except ValueError as error:
            problems.append(f"{text!r}: {error}")
    if problems:
        raise UserError(*problems)
    return names


def sides(values: Values) -> list[tuple[int, int]]:
    """`512` or `512x768`, px, each a multiple of 8."""
    found = []
    for text in texts(values):
        numbers = text.lower().split("x")
        if len(numbers) > 2 or "" in numbers:
            raise UserError(f"{text[:40]!r} is no resolution; write `512`, or `512x768` for width x height")
        try:
            width, height = side_px(numbers[0]), side_px(numbers[-1])
        except NumberError as error:
            raise UserError(
                f"{text[:40]!r}: sides are multiples of {SIDE_STEP_PX}, and at least {LEAST_SIDE_PX}; {error}"
            ) from None
        found.append((width, height))
    return found


def bounded(read: Callable[[Values], list[Any]], low: float, high: float) -> Callable[[Values], list[Any]]:
    """As `read`, each value within `low` and `high`."""

    def within(values: Values) -> list[Any]:
        numbers = read(values)
        if wrong := [number for number in numbers if not low <= number <= high]:
            limits = f"at least {low:g}" if high == float("inf") else f"from {_shown(low)} to {_shown(high)}"
            raise UserError(f"{', '.join(map(_shown, wrong))}: must be {limits}")
        return numbers

    return within


def _shown(value: Any) -> str:
    """A whole number with all its digits: seeds differ in the last."""
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
AXES: dict[str, Axis] = {
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
    "sampler": Axis(sampler_names, _setting("sampler"), lambda name: LABELS[name]),
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
