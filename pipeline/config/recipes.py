"""Merge recipes as plain values: checks, varies, and locks them to the content of their inputs."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.bases.encoder_files import ENCODER_FOLDER, encoders_sha256
from pipeline.errors import UserError, nearest
from pipeline.files.text_file import SETTINGS_FILE
from pipeline.files.yaml_text import parse_yaml, text_of
from pipeline.number_text import is_index
from pipeline.schemas.recipe import STEPS, AncestorStep, BakeStep, Recipe, ReplaceVaeStep, methods_of
from pipeline.store.known_hashes import sha256_of_model

RecipeContent = dict[str, Any]
OF_THE_RUN = ("base", "network")
"""Inputs that need no path in a recipe: they are `base.path`, and the file of `merge.epoch`."""
STEP_WEIGHTS = ("alpha", "beta", "strength")


def read_yaml(path: Path) -> RecipeContent:
    """A recipe's file."""
    if not path.is_file():
        raise UserError(f"{path}: no such recipe; name a YAML file with `inputs:` and `merge:`")
    return from_yaml(text_of(path, SETTINGS_FILE), str(path))


def from_yaml(text: str, origin: str) -> RecipeContent:
    content = parse_yaml(text, origin)
    if not isinstance(content, dict):
        raise UserError(f"{origin} must have `inputs:` and `merge:`, as conf/merge/recipe.yaml shows")
    return content


def parse(content: Mapping[str, Any], origin: str) -> Recipe:
    """Raises UserError with every mistake; `origin` names the recipe there."""
    try:
        recipe = Recipe.model_validate(dict(content))
    except ValidationError as error:
        raise UserError(*dict.fromkeys(_sentence(details, origin) for details in error.errors())) from None
    used = set(names_in(recipe.merge))
    unknown = [
        f"{origin}: merge uses {name!r}, which is not among the inputs; {nearest(name, recipe.inputs)}"
        for name in sorted(used - recipe.inputs.keys())
    ]
    unused = [
        f"{origin}: inputs.{name} is used by no step; remove it" for name in recipe.inputs if name not in used
    ]
    if unknown or unused:
        raise UserError(*unknown, *unused)
    return recipe


def names_in(step: Any) -> Iterator[str]:
    """Inputs that a step and those within it use."""
    if isinstance(step, str):
        yield step
        return
    if isinstance(step, BakeStep | ReplaceVaeStep):
        yield step.network if isinstance(step, BakeStep) else step.vae
    for child in children(step).values():
        for node in child if isinstance(child, list) else [child]:
            yield from names_in(node)


def children(step: Any) -> dict[str, Any]:
    """The models of a step by role; a list where it takes several."""
    if isinstance(step, AncestorStep):
        return {"base": step.base, "models": step.models}
    return {role: getattr(step, role) for role in ("a", "b", "c", "model") if role in type(step).model_fields}


def varied(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> RecipeContent:
    """The recipe with other values at dotted places: {"merge.alpha": 0.3, "merge.b.strength": 1}. Raises
    UserError if a place's step does not exist.
    """
    result: RecipeContent = deepcopy(dict(content))
    for place, value in overrides.items():
        *way, last = place.split(".")
        here: Any = result
        for number, key in enumerate(way):
            if isinstance(here, dict) and key in STEP_WEIGHTS and not isinstance(here.get(key), dict):
                here[key] = {"blocks": here.get(key)}  # `alpha.base_alpha` next to a plain `alpha`
            if not _holds(here, key):
                where = ".".join(way[:number]) or "the recipe"
                raise UserError(f"{place}: {where} has no {key}; {nearest(key, _keys(here))}")
            here = here[int(key)] if isinstance(here, list) else here[key]
        if isinstance(here, list):
            here[int(last)] = value
        else:
            here[last] = value
    return result


def with_inputs_of_the_run(content: Mapping[str, Any], paths: Mapping[str, str]) -> RecipeContent:
    """Adds `base` and `network` to the inputs if a step uses them and no other input has the name."""
    given = content.get("inputs") or {}
    used = set(_words(content.get("merge")))
    return {**content, "inputs": {**{name: path for name, path in paths.items() if name in used}, **given}}


def uses_network_of_the_run(content: Mapping[str, Any]) -> bool:
    """Whether a step uses `network` and the recipe gives no path for it."""
    return "network" in set(_words(content.get("merge"))) - set(content.get("inputs") or ())


def uses_base_of_the_run(content: Mapping[str, Any]) -> bool:
    """Whether a step uses `base` and the recipe gives no path for it."""
    return "base" in set(_words(content.get("merge"))) - set(content.get("inputs") or ())


def content_of_the_run(content: RecipeContent, base: str, network: Path | None, key: str) -> RecipeContent:
    """With the run's own inputs. Raises UserError if the base is not a local file or folder; `key` names the
    recipe there.
    """
    own = {"base": base} | ({"network": str(network)} if network else {})
    whole = with_inputs_of_the_run(content, own)
    if whole["inputs"].get("base") == base and not Path(base).exists():
        raise UserError(
            f"{key} uses base, but base.path {base} is not a local file or folder; fetch it and set base.path"
            " to its path"
        )
    return whole


def locked_content(recipe: str | Mapping[str, Any], key: str, problems: list[str]) -> RecipeContent:
    """A recipe, or a recipe file's, with each input's sha256; adds to `problems`."""
    try:
        content = read_yaml(Path(recipe)) if isinstance(recipe, str) else dict(recipe)
        placeholders = dict.fromkeys(OF_THE_RUN, "-")
        parsed = parse(with_inputs_of_the_run(content, placeholders), key)
    except UserError as error:
        problems += error.problems
        return {}
    inputs = {}
    for name, given in (content.get("inputs") or {}).items():
        entry = {"path": given} if isinstance(given, str) else given
        path, expected = entry["path"], entry.get("sha256")
        digest = sha256_of_model(path)
        if digest is None:
            problems.append(
                f"{key}: inputs.{name} {path}: no such file or folder; put it there, or correct it"
            )
        elif expected and digest != expected:
            problems.append(
                f"{key}: inputs.{name} {path} has the hash {digest}, but the recipe has {expected}; put the"
                " right file there, or remove sha256"
            )
        inputs[name] = {"path": path, "sha256": digest} | _encoders(entry, f"{key}: inputs.{name}", problems)
    return {**parsed.model_dump(mode="json"), "inputs": inputs}


def _encoders(entry: Mapping[str, Any], key: str, problems: list[str]) -> dict[str, str]:
    """The hash of a checkpoint's text encoders in files of their own, if it has any; adds to `problems`."""
    expected = entry.get("text_encoders_sha256")
    try:
        digest = encoders_sha256(Path(entry["path"]))
    except UserError as error:
        problems += [f"{key}: {problem}" for problem in error.problems]
        return {}
    if expected and digest != expected:
        problems.append(f"{key} {other_encoders(entry['path'], digest, expected)}")
    return {"text_encoders_sha256": digest} if digest else {}


def other_encoders(path: str, digest: str | None, expected: str) -> str:
    """The sentence about a checkpoint with other text encoders than a recipe's."""
    found = f"has the hash {digest}" if digest else "is empty, or not there"
    return (
        f"{path}: the folder {ENCODER_FOLDER} where it is {found}, but the recipe has {expected}; put the"
        " right files there, or remove text_encoders_sha256"
    )


def _words(step: Any) -> Iterator[str]:
    """Every string in a step, with its inputs' names."""
    if isinstance(step, str):
        yield step
    elif isinstance(step, Mapping | list):
        for inner in step.values() if isinstance(step, Mapping) else step:
            yield from _words(inner)


def _holds(here: Any, key: str) -> bool:
    return (isinstance(here, dict) and key in here) or (
        isinstance(here, list) and is_index(key) and int(key) < len(here)
    )


def _keys(here: Any) -> list[str]:
    return [str(key) for key in here] if isinstance(here, dict) else [str(n) for n in range(len(here or ()))]


def _sentence(details: ErrorDetails, origin: str) -> str:
    kinds = {kind.__name__ for kind in STEPS} | {"Input", "Weights"}
    place = ".".join(
        str(part) for part in details["loc"]
        if part not in kinds and not str(part).startswith(("constrained", "list[", "dict[", "function-"))
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
        return f"{origin}: {place} is not a key of a recipe there; remove it"
    return f"{origin}: {place}: {details['input']!r} is not allowed; {message}"
