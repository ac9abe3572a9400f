"""What later stages would refuse in prompts, seen before any of them runs. No torch here."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from pipeline.config.schemas import Config
from pipeline.drawing.named_files import NamedFiles
from pipeline.errors import UserError
from pipeline.grid.axes import Cell
from pipeline.grid.plan import axis_values, varied
from pipeline.prompts.network_tags import insist_on_none, split_tags
from pipeline.prompts.settings import Settings
from pipeline.prompts.steps import texts_by_step

OF_PROMPTS = ("prompt", "search_replace", "negative_prompt")
"""The axes that change prompts."""


def prompt_problems(config: Config) -> list[str]:
    """All that is wrong with what the grid, the class pictures and the log draw; the axes were checked."""
    problems = [*_of_grid(config)]
    wanted = config.class_images
    if wanted.count:
        problems += _of("class_images.prompt", wanted.prompt, NamedFiles())
        problems += _of("class_images.negative_prompt", wanted.negative_prompt, NamedFiles(), True)
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


def _cells(config: Config) -> list[Cell]:
    """One for each combination of prompts that is drawn."""
    wanted, settings = config.sample_grid, Settings.of(config.sample_grid, config.base)
    start = Cell(
        checkpoint=None, network=None, weight=0.0, blocks=None, settings=settings,
        prompts=tuple(wanted.prompts), seeds=tuple(wanted.seeds),
    )  # fmt: skip
    cells = [start]
    for axis in "zxy":  # as the grid applies them
        if (kind := getattr(wanted, axis)) in OF_PROMPTS:
            values = axis_values(wanted, axis)
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
