"""Recipes outside the graph: read from YAML or from a merged file's header, their inputs looked up."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.config.recipes import Content, from_yaml, parse, read_yaml
from pipeline.config.schemas.recipe import Recipe
from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_tree
from pipeline.files.tensor_file import open_tensors
from pipeline.merging.header import RECIPE_KEY


def read_content(path: Path) -> Content:
    """A recipe as plain values: a YAML file, or the header of a merged .safetensors."""
    if path.suffix != ".safetensors":
        return read_yaml(path)
    text = open_tensors(path).metadata.get(RECIPE_KEY)
    if text is None:
        raise UserError(f"{path} carries no recipe: it was not merged here")
    return from_yaml(text, str(path))


def found_by_hash(recipe: Recipe, folders: Sequence[Path]) -> Recipe:
    """With each input that is not at its path, or is another file there, looked up in `folders`: by its name,
    then by its sha256.
    """
    inputs: dict[str, Any] = {}
    for name, given in recipe.inputs.items():
        path, wanted = (Path(given), None) if isinstance(given, str) else (Path(given.path), given.sha256)
        if path.exists() and not (folders and wanted and sha256_of_tree(path) != wanted):
            inputs[name] = given
            continue
        near = [folder / path.name for folder in folders]
        candidates = [candidate for candidate in near if candidate.exists()] + [
            candidate
            for folder in folders
            for candidate in sorted(folder.glob("*"))
            if candidate.suffix == path.suffix
        ]
        match = next((c for c in candidates if wanted is None or sha256_of_tree(c) == wanted), None)
        if match is None:
            looked = ", ".join(map(str, folders)) or "no other folder"
            raise UserError(
                f"inputs.{name}: {path} is not there, and {looked} holds no file of sha256 {wanted};"
                " name the folder that has it with --search"
            )
        inputs[name] = {"path": str(match), "sha256": wanted}
    return parse({**recipe.model_dump(), "inputs": inputs}, "recipe")
