"""Recipes: read from YAML or from a merged file's header, checked, varied."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.schemas.recipe import STEPS, Bake, Recipe, ReplaceVae, Several, methods_of
from pipeline.errors import UserError, nearest
from pipeline.files.hashing import sha256_of_tree
from pipeline.files.tensor_file import open_tensors
from pipeline.merging.header import RECIPE_KEY

Content = dict[str, Any]


def read_content(path: Path) -> Content:
    """A recipe as plain values: a YAML file, or the header of a merged .safetensors."""
    if path.suffix == ".safetensors":
        text = open_tensors(path).metadata.get(RECIPE_KEY)
        if text is None:
            raise UserError(f"{path} carries no recipe: it was not merged here")
    elif path.is_file():
        text = path.read_text(encoding="utf-8")
    else:
        raise UserError(f"{path}: no such recipe; it is a YAML file, or a merged .safetensors")
    try:
        content = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is no YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} must have `inputs:` and `merge:`, as conf/merge/recipe.yaml shows")
    return content


def parse(content: Mapping[str, Any], origin: str) -> Recipe:
    """Every mistake at once; `origin` names the recipe in errors."""
    try:
        recipe = Recipe.model_validate(dict(content))
    except ValidationError as error:
        raise UserError(*dict.fromkeys(_sentence(details, origin) for details in error.errors())) from None
    used = set(names_in(recipe.merge))
    unknown = [
        f"{origin}: merge names {name!r}, which is no input; {nearest(name, recipe.inputs)}"
        for name in sorted(used - recipe.inputs.keys())
    ]
    unused = [
        f"{origin}: inputs.{name} is used by no step; take it out"
        for name in recipe.inputs
        if name not in used
    ]
    if unknown or unused:
        raise UserError(*unknown, *unused)
    return recipe


def names_in(step: Any) -> Iterator[str]:
    """Inputs that a step and those within it use."""
    if isinstance(step, str):
        yield step
        return
    if isinstance(step, Bake | ReplaceVae):
        yield step.network if isinstance(step, Bake) else step.vae
    for child in children(step).values():
        for node in child if isinstance(child, list) else [child]:
            yield from names_in(node)


def children(step: Any) -> dict[str, Any]:
    """The models of a step by role; a list where it takes several."""
    if isinstance(step, Several):
        return {"base": step.base, "models": step.models}
    return {role: getattr(step, role) for role in ("a", "b", "c", "model") if role in type(step).model_fields}


def varied(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> Content:
    """The recipe with other values at dotted places: {"merge.alpha": 0.3, "merge.b.strength": 1}. A place
    whose step is not there is a user error.
    """
    result: Content = deepcopy(dict(content))
    for place, value in overrides.items():
        *way, last = place.split(".")
        here: Any = result
        for number, key in enumerate(way):
            if isinstance(here, dict) and key == "alpha" and not isinstance(here.get(key), dict):
                here[key] = {"blocks": here.get(key)}  # `alpha.base_alpha` beside a plain `alpha`
            if not _holds(here, key):
                where = ".".join(way[:number]) or "the recipe"
                raise UserError(f"{place}: {where} has no {key}; {nearest(key, _keys(here))}")
            here = here[int(key)] if isinstance(here, list) else here[key]
        if isinstance(here, list):
            here[int(last)] = value
        else:
            here[last] = value
    return result


def found_by_hash(recipe: Recipe, folders: Sequence[Path]) -> Recipe:
    """With each input that is not at its path looked up in `folders`: by its name, then by its sha256."""
    inputs: dict[str, Any] = {}
    for name, given in recipe.inputs.items():
        path, wanted = (Path(given), None) if isinstance(given, str) else (Path(given.path), given.sha256)
        if path.exists():
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


def _holds(here: Any, key: str) -> bool:
    return (isinstance(here, dict) and key in here) or (
        isinstance(here, list) and key.isdigit() and int(key) < len(here)
    )


def _keys(here: Any) -> list[str]:
    return [str(key) for key in here] if isinstance(here, dict) else [str(n) for n in range(len(here or ()))]


def _sentence(details: ErrorDetails, origin: str) -> str:
    kinds = {kind.__name__ for kind in STEPS} | {"Input", "Weights"}
    place = ".".join(
        str(part) for part in details["loc"]
        if part not in kinds and not str(part).startswith(("constrained", "list[", "function-"))
        and part not in ("str", "float")
    )  # fmt: skip
    if details["type"] == "unknown_method":
        step = details["input"]
        method = str(step.get("method")) if isinstance(step, dict) else str(step)
        known = [name for kind in STEPS for name in methods_of(kind)]
        return f"{origin}: {place} has the method {method!r}; {nearest(method, known)}"
    message = details["msg"][0].lower() + details["msg"][1:]
    if details["type"] == "missing":
        return f"{origin}: {place} is missing"
    if details["type"] == "extra_forbidden":
        return f"{origin}: {place} is unknown there"
    return f"{origin}: {place}: {details['input']!r} is not allowed; {message}"
