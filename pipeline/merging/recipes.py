"""Recipes outside the graph: read from YAML or from a merged file's header, their inputs looked up."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.config.recipes import Content, from_yaml, read_yaml
from pipeline.config.schemas.recipe import Input, Recipe
from pipeline.errors import UserError
from pipeline.files.known_hashes import sha256_of_model
from pipeline.files.safetensors_header import metadata_of
from pipeline.merging.header import RECIPE_KEY

UNET = "unet/diffusion_pytorch_model.safetensors"
"""The part of a folder whose header is read."""


def read_content(path: Path) -> Content:
    """A recipe as plain values: a YAML file, or the header of what was merged, a .safetensors or a folder."""
    if path.suffix != ".safetensors" and not path.is_dir():
        return read_yaml(path)
    text = metadata_of(path / UNET if path.is_dir() else path).get(RECIPE_KEY)
    if text is None:
        raise UserError(f"{path} carries no recipe: it was not merged here")
    return from_yaml(text, str(path))


def found_by_hash(recipe: Recipe, folders: Sequence[Path]) -> Recipe:
    """With each input that is not at its path, or is another file there, looked up in `folders`: by its name,
    then by its sha256. Where no folder is given, only that something is there is insisted on.
    """
    found = {name: _found(_entry(given), folders) for name, given in recipe.inputs.items()}
    problems = [
        f"inputs.{name}: {_missing(_entry(recipe.inputs[name]), folders)}"
        for name, entry in found.items()
        if entry is None
    ]
    if problems:
        raise UserError(*problems)
    return recipe.model_copy(update={"inputs": found})


def _entry(given: str | Input) -> Input:
    return Input(path=given) if isinstance(given, str) else given


def _found(entry: Input, folders: Sequence[Path]) -> Input | None:
    path = Path(entry.path)
    if path.exists() and (not folders or _is_it(path, entry)):
        return entry
    named = [folder / path.name for folder in folders if (folder / path.name).exists()]
    others = [
        other for folder in folders for other in sorted(folder.glob("*")) if other.suffix == path.suffix
    ]
    candidates = [*named, *others] if entry.sha256 else named
    match = next((candidate for candidate in candidates if _is_it(candidate, entry)), None)
    return Input(path=str(match), sha256=entry.sha256) if match else None


def _is_it(path: Path, entry: Input) -> bool:
    return entry.sha256 is None or sha256_of_model(path) == entry.sha256


def _missing(entry: Input, folders: Sequence[Path]) -> str:
    path = Path(entry.path)
    at_place = f"has the sha256 {sha256_of_model(path)}" if path.exists() else "is not there"
    wanted = f"what has the sha256 {entry.sha256}" if entry.sha256 else "a file of this name"
    looked = f", nor is that in {', '.join(map(str, folders))}" if folders else ""
    return f"{path} {at_place}; wanted is {wanted}{looked}. Name the folder that has it with --search"
