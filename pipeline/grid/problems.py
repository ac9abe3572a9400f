"""Finds mistakes in axes and prompts before any stage runs that would refuse them. Without torch."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path

from pipeline.bases.look import blocks_of_base
from pipeline.config.recipes import OF_THE_RUN, uses_network_of_the_run, with_inputs_of_the_run
from pipeline.drawing.named_files import NamedFiles
from pipeline.errors import UserError
from pipeline.grid.axes import Cell
from pipeline.grid.merge_axes import Sweep
from pipeline.grid.plan import NO_AXIS, axis_values, varied
from pipeline.prompts.network_tags import insist_on_none, split_tags
from pipeline.prompts.settings import DrawingSettings
from pipeline.prompts.steps import texts_by_step
from pipeline.schemas import Config, SampleGridConfig

MERGE, SECOND_PASS = "merge_", "second_pass_"
"""Prefixes of the axes that vary a recipe, or the second pass."""
OF_PROMPTS = ("prompt", "search_replace", "negative_prompt")
"""Axes that change prompts."""


def axes_problems(config: SampleGridConfig) -> list[str]:
    """Everything that is wrong with the axes, in sentences."""
    problems: list[str] = []
    kinds = [kind for kind in (config.x, config.y, config.z) if kind != NO_AXIS]
    if len(set(kinds)) < len(kinds):
        problems.append(f"sample_grid: two axes are the same ({', '.join(kinds)}); use each axis once")
    if config.second_pass_upscaler is None and (second := [k for k in kinds if k.startswith(SECOND_PASS)]):
        problems.append(
            f"sample_grid: the axis {second[0]} varies a second pass; name its upscaler in"
            " sample_grid.second_pass_upscaler"
        )
    for axis in ("x", "y", "z"):
        try:
            axis_values(config, axis)
        except UserError as error:
            problems += error.problems
    return problems or _merge_problems(config, kinds)


def _merge_problems(config: SampleGridConfig, kinds: Sequence[str]) -> list[str]:
    """Reasons why the recipe cannot be varied along the axes."""
    names = [kind.removeprefix(MERGE) for kind in kinds if kind.startswith(MERGE)]
    if not isinstance(config.merge, dict):
        return [
            f"sample_grid: the axis {MERGE}{name} varies a recipe; name its file in sample_grid.merge"
            for name in names
            if config.merge is None
        ]
    problems = []
    if {"alpha", "blocks"} <= set(names):
        problems.append(
            "sample_grid: merge_alpha and merge_blocks both set the U-Net's weight; use only one of them"
        )
    if "checkpoint" in kinds:
        problems.append("sample_grid: with a merge there can be no axis checkpoint; vary the recipe instead")
    if uses_network_of_the_run(config.merge) and ("network" in kinds or "weight" in kinds):
        problems.append(
            "sample_grid.merge uses `network`, so the axes network and weight cannot vary it; remove it from"
            " the recipe (it is then drawn with the merge), or remove these axes"
        )
    content = with_inputs_of_the_run(config.merge, dict.fromkeys(OF_THE_RUN, "-"))
    values = [axis_values(config, axis) for axis in "xyz" if getattr(config, axis).startswith(MERGE)]
    for each in product(*values):
        try:
            Sweep(content, config.merge_step).check(tuple(sorted(zip(names, each, strict=True))))
        except UserError as error:
            problems += error.problems
    return list(dict.fromkeys(problems))


def prompt_problems(config: Config) -> list[str]:
    """Everything that is wrong with the prompts of the grid, the class pictures and the log. The axes must be
    valid.
    """
    problems = [*_of_grid(config), *_of_blocks(config)]
    class_images = config.class_images
    if class_images.count:
        problems += _of("class_images.prompt", class_images.prompt, NamedFiles())
        problems += _of("class_images.negative_prompt", class_images.negative_prompt, NamedFiles(), True)
    for prompt in config.logging.sample_prompts:
        problems += _of("logging.sample_prompts", prompt, NamedFiles())
    return list(dict.fromkeys(problems))


def _of_grid(config: Config) -> Iterator[str]:
    try:
        library = NamedFiles([Path(each) for each in config.sample_grid.prompt_networks])
        cells = _cells(config)
    except UserError as error:
        yield from (f"sample_grid: {problem}" for problem in error.problems)
        return
    for cell in cells:
        for prompt in cell.prompts:
            yield from _of("sample_grid.prompts", prompt, library)
        yield from _of("sample_grid.negative_prompt", cell.settings.negative_prompt, library, True)


def _of_blocks(config: Config) -> Iterator[str]:
    """Block weights that belong to another family."""
    grid = config.sample_grid
    axis = grid.axis_of("block_weights")
    given = axis_values(grid, axis) if axis else []
    for prompt in grid.prompts:
        with suppress(UserError):  # reported by `_of_grid`
            given += [tag.blocks for tag in split_tags(prompt)[1] if tag.blocks]
    for weights in given:
        try:
            weights.on(blocks_of_base(config.base, weights.count))
        except UserError as error:
            yield f"sample_grid: {error}"


def _cells(config: Config) -> list[Cell]:
    """One for each combination of prompts that is drawn."""
    grid, settings = config.sample_grid, DrawingSettings.of(config.sample_grid, config.base)
    start = Cell(
        checkpoint=None, network=None, weight=0.0, blocks=None, settings=settings,
        prompts=tuple(grid.prompts), seeds=tuple(grid.seeds),
    )  # fmt: skip
    cells = [start]
    for axis in "zxy":  # as the grid applies them
        if (kind := getattr(grid, axis)) in OF_PROMPTS:
            values = axis_values(grid, axis)
            cells = [varied(cell, kind, value) for cell, value in product(cells, values)]
    return list(dict.fromkeys(cells))


def _of(key: str, prompt: str, library: NamedFiles, is_negative: bool = False) -> Iterator[str]:
    try:
        if is_negative:
            insist_on_none(prompt)
        text, tags = split_tags(prompt)
        library.of_tags(tags)
        texts_by_step(text, 1)
    except UserError as error:
        yield from (f"{key} {prompt[:80]!r}: {problem}" for problem in error.problems)
