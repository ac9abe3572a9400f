"""Finds, before the first stage runs, files for another family than the base's. Without torch, except where
small files must be searched for embeddings.
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
from pipeline.files.json_text import read_mapping
from pipeline.files.safetensors_header import read_header
from pipeline.networks.file_family import family_of_path, published
from pipeline.schemas import Config

VAE_INPUT = "decoder.conv_in.weight"
"""End of the name of a VAE's weight [width, latent channels, 3, 3], in every layout."""
CHANNELS, SCALE = "latent_channels", "scaling_factor"


def other_family_problems(config: Config) -> list[str]:
    """A sentence for each file that is for another family."""
    facts = families().get(config.base.family or "")
    problems = [] if facts is None else [*_of_files(config, facts), *_of_vae(config.base.vae, facts)]
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
    grid = config.sample_grid
    for axis in "xyz":
        values = getattr(grid, f"{axis}_values")
        if getattr(grid, axis) == "network" and isinstance(values, list):
            yield from ((f"sample_grid.{axis}_values", Path(str(value))) for value in values)


def _called(config: Config) -> Iterator[tuple[str, Path]]:
    """The files that the grid's prompts call."""
    grid = config.sample_grid
    if not grid.prompt_networks:
        return
    with suppress(UserError):  # pipeline/grid/problems.py reports it
        library = NamedFiles([Path(each) for each in grid.prompt_networks])
        for prompt in [*grid.prompts, grid.negative_prompt]:
            yield from (("sample_grid.prompts call a file:", path) for path in library.used(prompt).values())


def _of_vae(vae: str | None, facts: FamilyFacts) -> Iterator[str]:
    """All families with the same number of channels have VAEs of the same shapes: only the scale of their
    latents differs.
    """
    path = Path(vae or "")
    if not vae or not path.exists():
        return
    ours, theirs = published(facts.name, "vae"), _vae_config(path)
    instead = f"use a VAE for {facts.title}, or set base.vae to null"
    if (channels := theirs.get(CHANNELS)) not in (None, ours[CHANNELS]):
        yield (
            f"base.vae {path} has {channels} latent channels, and {facts.title} has {ours[CHANNELS]}:"
            f" {instead}"
        )
        return
    scales = {each.title: published(each.name, "vae")[SCALE] for each in families().values()}
    of_scale = next((title for title, scale in scales.items() if scale == theirs.get(SCALE)), None)
    found = of_scale or _family(path)
    if found and scales.get(found) != ours[SCALE]:
        yield f"base.vae {path} is for {found}, but base.path is {facts.title}: {instead}"


def _vae_config(path: Path) -> Mapping[str, Any]:
    with suppress(UserError):
        if path.is_dir():
            return read_mapping(path / "config.json")
        if path.suffix == ".safetensors":
            shapes = read_header(path).shapes
            found = next((shape for name, shape in shapes.items() if name.endswith(VAE_INPUT)), None)
            return {CHANNELS: found[1]} if found else {}
    return {}


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
