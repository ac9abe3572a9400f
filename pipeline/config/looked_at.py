"""What a look at the base says: its family is filled into the group, and contradictions are named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.bases.look import look
from pipeline.bases.registry import Recognised, families, titles
from pipeline.errors import UserError, nearest, warn

HOW_TO_GET = (
    "`hf download stable-diffusion-v1-5/stable-diffusion-v1-5 v1-5-pruned-emaonly.safetensors --local-dir"
    " models/base` fetches SD 1.5; with `use: {base: sd15}` it is fetched by itself"
)


def looked_at(base: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """The group with the family that its files are of; what is wrong goes to `problems`."""
    try:
        found = look(Path(base["path"]))
    except UserError as error:
        problems += [f"{problem}; {HOW_TO_GET}" for problem in error.problems]
        return base
    if wrong := list(_unseen(base) if found is None else _wrong(base, found)):
        problems += wrong
        return base
    if found is None or found.facts is None:
        return base
    return {**base, "family": found.facts.name}


def _unseen(base: dict[str, Any]) -> Iterator[str]:
    """Of a hub name or a pickle, whose family is taken on trust until it is loaded."""
    family = base["family"]
    if family is not None and family not in families():
        yield f"base.family: {family!r} is not allowed; {nearest(family, families())}"


def _wrong(base: dict[str, Any], found: Recognised) -> Iterator[str]:
    path, given, asked = base["path"], base["family"], base["prediction_type"]
    if not found.trainable or found.facts is None:
        yield f"base.path {path} is {found.title}; this pipeline trains {titles()}: choose such a base"
        return
    if given not in (None, found.facts.name):
        yield (
            f"base.family is {given}, but base.path {path} is {found.title} ({found.facts.name}); correct"
            " one of them, or set base.family to null"
        )
    if (prediction := found.prediction) is None:
        return
    if asked is None and prediction.type is None:
        yield (
            f"base.path {path}: epsilon or v_prediction? {prediction.evidence[0].upper()}"
            f"{prediction.evidence[1:]}; set base.prediction_type to the one that its publisher names"
        )
    elif asked and prediction.type and asked != prediction.type:
        warn(
            f"base.prediction_type is {asked}, but {prediction.evidence} says {prediction.type}; {asked} is"
            " used. With the wrong one pictures turn grey or burnt: null follows the file"
        )
