"""Recognises the base from its files: fills in its family and reports contradictions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.bases.encoder_files import ENCODER_FOLDER, encoders_cure, encoders_sha256
from pipeline.bases.facts import FamilyFacts
from pipeline.bases.look import recognise
from pipeline.bases.parts_there import VAE_TITLE
from pipeline.bases.prediction import USUAL_PREDICTION, Prediction
from pipeline.bases.projection import FOLDER_FILE
from pipeline.bases.registry import Recognised, families, known_or_first, titles
from pipeline.bases.vae_look import vae_problem
from pipeline.errors import UserError, nearest, warn

MORE_BASES = "the first comment of each file in conf/base/ says where its base is published"


def looked_at(base: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """The group with the family of its files filled in; adds to `problems`."""
    try:
        recognised = recognise(Path(base["path"]))
    except UserError as error:
        problems += [f"{problem}; {how_to_get(base['family'])}" for problem in error.problems]
        return base
    if recognised is None and (problem := _unseen(base)):
        problems.append(problem)
        return {**base, "family": None}
    if recognised and (wrong := list(_wrong(base, recognised))):
        problems += wrong
        return base
    if recognised is None or recognised.facts is None:
        return base
    return {**base, "family": recognised.facts.name} | _encoders_hash(base, problems)


def _encoders_hash(base: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """The hash of text encoders in files of their own, if there are any; adds to `problems`."""
    given, digest = base.get("text_encoders_sha256"), encoders_sha256(Path(base["path"]))
    if given and given != digest:
        problems.append(
            f"base.text_encoders_sha256 is {given}, but the files of text encoders in the folder"
            f" {ENCODER_FOLDER} where base.path is give {digest or 'none'}; correct it, or set it to null"
        )
    return {"text_encoders_sha256": digest} if digest else {}


def how_to_get(name: str | None) -> str:
    """Of a base of this family; None: of any."""
    facts = known_or_first(name)
    fetch = f"`hf download {facts.published} --local-dir models/base` fetches one of {facts.title}; "
    return (fetch if facts.published else "") + MORE_BASES


def _unseen(base: dict[str, Any]) -> str | None:
    """The problem of a hub name or a pickle; its family is checked when it is loaded."""
    family = base["family"]
    if family is None or family in families():
        return None
    return f"base.family: {family!r} is not allowed; {nearest(family, families())}"


def _wrong(base: dict[str, Any], recognised: Recognised) -> Iterator[str]:
    path, given = base["path"], base["family"]
    if not recognised.trainable or recognised.facts is None:
        yield f"base.path {path} is {recognised.title}; this pipeline trains {titles()}: choose such a base"
        return
    if given not in (None, recognised.facts.name):
        yield (
            f"base.family is {given}, but base.path {path} is {recognised.title} ({recognised.facts.name});"
            " correct one of them, or set base.family to null"
        )
    if recognised.is_transposed:
        file = Path(path) / FOLDER_FILE if Path(path).is_dir() else path
        yield (
            f"base.path {path}: its text_projection is transposed, so the pooled vectors of all prompts are"
            f" wrong; `python -m pipeline.bases mend {file} --out <file>` writes it right"
        )
    yield from _missing(base, recognised)
    yield from _of_vae(base, recognised.facts)
    yield from _of_prediction(base, recognised.prediction)


def _missing(base: dict[str, Any], recognised: Recognised) -> Iterator[str]:
    others = [part for part in recognised.missing if part != VAE_TITLE]
    if others:
        yield (
            f"base.path {base['path']} has no {', no '.join(others)}; a base is trained and drawn with all of"
            f" its parts: {encoders_cure(recognised.facts)}"
        )
    elif recognised.missing and not base.get("vae"):
        yield (
            f"base.path {base['path']} has no {VAE_TITLE}; set base.vae to one (a .safetensors, .ckpt or .pt"
            " file, or a diffusers folder)"
        )


def _of_vae(base: dict[str, Any], facts: FamilyFacts) -> Iterator[str]:
    """Problems of another VAE than the base's own."""
    if not base.get("vae"):
        return
    try:
        problem = vae_problem(Path(base["vae"]), Path(base["path"]), facts)
    except UserError as error:
        yield from (f"base.vae: {each}" for each in error.problems)
        return
    if problem:
        yield f"base.vae {base['vae']} {problem}; choose a VAE of {facts.title}, or set base.vae to null"


def _of_prediction(base: dict[str, Any], prediction: Prediction | None) -> Iterator[str]:
    """A question that only the user can answer; warns of contradictions."""
    path, chosen = base["path"], base["prediction_type"]
    if prediction is None:
        return
    if chosen is None and prediction.type is None:
        yield (
            f"base.path {path}: epsilon or v_prediction? {prediction.evidence[0].upper()}"
            f"{prediction.evidence[1:]}; set base.prediction_type to the one that its publisher names"
        )
    elif chosen and prediction.type and chosen != prediction.type and prediction.evidence != USUAL_PREDICTION:
        warn(
            f"base.prediction_type is {chosen}, but {prediction.evidence} says {prediction.type}; {chosen} is"
            " used. The wrong one makes pictures grey or burnt; null follows the file"
        )
    elif not chosen and prediction.against:
        warn(
            f"base.path {path}: {prediction.evidence} says {prediction.type}, {prediction.against} says"
            f" otherwise; {prediction.type} is used. base.prediction_type decides"
        )
