"""Finds, before the first stage runs, networks and recipes for another family than the base's (for VAEs:
pipeline/bases/vae_look.py). Without torch, except where small files must be searched for embeddings.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.registry import families
from pipeline.config.recipes import uses_base_of_the_run
from pipeline.drawing.named_files import NamedFiles
from pipeline.errors import UserError
from pipeline.networks.file_family import family_of_path
from pipeline.schemas import Config


def other_family_problems(config: Config) -> list[str]:
    """A sentence for each file that is for another family."""
    facts = families().get(config.base.family or "")
    problems = [] if facts is None else list(_of_files(config, facts))
    return [*problems, *_of_recipes(config, facts)]


def _of_files(config: Config, facts: FamilyFacts) -> Iterator[str]:
    for key, path in dict.fromkeys([*_initial(config), *_networks_of_axes(config), *_called(config)]):
        found = _family(path)
        if found not in (None, facts.title):
            yield (
                f"{key} {path} is for {found}, but base.path {config.base.path} is {facts.title}: use a file"
                f" for {facts.title}, or another base"
            )


def _family(path: Path) -> str | None:
    """None for a damaged file, too: its reader reports it."""
    with suppress(UserError):
        return family_of_path(path)
    return None


def _initial(config: Config) -> Iterator[tuple[str, Path]]:
    if name := getattr(config.network, "initial", None):
        yield "network.initial", Path(name)


def _networks_of_axes(config: Config) -> Iterator[tuple[str, Path]]:
    axis, values = config.sample_grid.axis_of("network"), config.sample_grid.values_of("network")
    if isinstance(values, list):
        yield from ((f"sample_grid.{axis}_values", Path(str(value))) for value in values)


def _called(config: Config) -> Iterator[tuple[str, Path]]:
    """The files that the grid's prompts call."""
    grid = config.sample_grid
    if not grid.prompt_networks:
        return
    with suppress(UserError):  # pipeline/grid/problems.py reports it
        library = NamedFiles([Path(each) for each in grid.prompt_networks])
        for prompt in [*grid.prompts, grid.negative_prompt]:
            yield from (("sample_grid.prompts:", path) for path in library.used(prompt).values())


def _of_recipes(config: Config, facts: FamilyFacts | None) -> Iterator[str]:
    """The inputs of a recipe are for one family: the base's if the recipe uses the base."""
    recipes = {
        "merge.recipe": getattr(config.merge, "recipe", None),
        "sample_grid.merge": config.sample_grid.merge,
    }
    for key, content in recipes.items():
        if not isinstance(content, dict):
            continue
        known = dict(_inputs(content))
        if facts and uses_base_of_the_run(content):
            known = {f"base.path {config.base.path}": facts.title, **known}
        if len(set(known.values())) > 1:
            named = "; ".join(f"{name} is for {title}" for name, title in known.items())
            yield f"{key} merges files for different families ({named}): choose inputs for one family"


def _inputs(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The inputs of known families, except those that give only their VAE."""
    vaes = set(_vaes(content.get("merge")))
    for name, given in (content.get("inputs") or {}).items():
        path = given if isinstance(given, str) else given["path"]
        if name not in vaes and (found := _family(Path(path))):
            yield f"inputs.{name} {path}", found


def _vaes(step: Any) -> Iterator[str]:
    if isinstance(step, Mapping):
        if isinstance(vae := step.get("vae"), str):
            yield vae
        for inner in step.values():
            yield from _vaes(inner)
    elif isinstance(step, list):
        for inner in step:
            yield from _vaes(inner)
