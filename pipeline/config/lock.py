"""Content hashes of the models that a run starts from, so that another file under the same name is another
run; and the base's family, read from its files.
"""

import re
from collections.abc import Collection
from typing import Any

from pipeline.config.looked_at import how_to_get, looked_at
from pipeline.config.recipes import locked_content
from pipeline.errors import UserError
from pipeline.files.hub_names import FOLDER_OF_REPOSITORY, REPOSITORY, is_hub_name
from pipeline.store.known_hashes import sha256_of_model
from pipeline.votes.vote_file import VOTES, read_votes, votes_hash

# (key of the path, key of its hash, pattern of a hub name there)
LOCKED = (
    ("base.path", "base.sha256", REPOSITORY),
    ("base.vae", "base.vae_sha256", None),
    ("base.t5_tokenizer", "base.t5_tokenizer_sha256", None),
    ("crop.face_model", "crop.face_model_sha256", None),
    ("crop.mask_model", "crop.mask_model_sha256", FOLDER_OF_REPOSITORY),
    ("network.initial", "network.initial_sha256", None),
    ("network.clip", "network.clip_sha256", None),
    ("tag.model", "tag.sha256", FOLDER_OF_REPOSITORY),
    (
        "sample_grid.second_pass_upscaler",
        "sample_grid.second_pass_upscaler_sha256",
        re.compile(r"latent\w*(-exact)?"),
    ),
    ("sample_grid.clip", "sample_grid.clip_sha256", None),
    ("tag.sentence_model", "tag.sentence_sha256", FOLDER_OF_REPOSITORY),
    ("vision.encoder", "vision.encoder_sha256", FOLDER_OF_REPOSITORY),
    ("vision.aesthetic", "vision.aesthetic_sha256", FOLDER_OF_REPOSITORY),
    ("vision.questioner", "vision.questioner_sha256", FOLDER_OF_REPOSITORY),
    ("tag.captioner", "tag.captioner_sha256", FOLDER_OF_REPOSITORY),
)
RECIPE_SETTINGS = (("merge", "recipe"), ("sample_grid", "merge"))
WHERE_FROM = {
    "tag.model": "`hf download SmilingWolf/wd-swinv2-tagger-v3 model.onnx selected_tags.csv --local-dir"
    " models/tagger` fetches a WD14 tagger; with `use: {tag: wd14_v3}` the run fetches it",
}
"""By key: how to get a missing model; a base's follows its family."""
BUILT_IN = {"crop.face_model": ("lbp", "centerface")}
"""Names that are not files."""


def lock(values: dict[str, Any], groups: Collection[str] | None = None) -> dict[str, Any]:
    """Fills in each hash that is null and checks each given one; a hub name's stays as it is.

    A list of models gets a list of hashes. Raises UserError for missing models and other hashes. `groups`:
    the groups to lock; None: all.
    """
    locked, problems = locked_and_problems(values, groups)
    if problems:
        raise UserError(*problems)
    return locked


def locked_and_problems(
    values: dict[str, Any], groups: Collection[str] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """As `lock`, but returns a sentence for each wrong model."""
    locked = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    problems: list[str] = []
    for path_key, hash_key, hub in LOCKED:
        (group, path_name), (_, hash_name) = path_key.split("."), hash_key.split(".")
        if groups is not None and group not in groups:
            continue
        paths, expected = values[group].get(path_name), values[group].get(hash_name)
        where = where_from(path_key, values["base"]["family"])
        if isinstance(paths, list):
            hashes = expected if isinstance(expected, list) else [None] * len(paths)
            locked[group][hash_name] = [
                _locked(path_key, path, hash_key, each, hub, where, problems)
                for path, each in zip(paths, hashes, strict=True)
            ]
        elif paths not in (None, *BUILT_IN.get(path_key, ())):
            locked[group][hash_name] = _locked(path_key, paths, hash_key, expected, hub, where, problems)
    if groups is None:
        _follow(locked)
    if groups is None or "base" in groups:
        locked["base"] = looked_at(locked["base"], problems)
    if groups is None or "merge" in groups:
        locked["merge"] = _with_votes(locked["merge"], problems)
    for group, name in RECIPE_SETTINGS:
        if (groups is None or group in groups) and (recipe := values[group][name]) is not None:
            locked[group][name] = locked_content(recipe, f"{group}.{name}", problems)
    return locked, problems


def _follow(locked: dict[str, Any]) -> None:
    """collect counts faces with crop's detector, unless it has one of its own."""
    if locked["collect"]["face_model"] == locked["crop"]["face_model"]:
        locked["collect"]["face_model_sha256"] = locked["crop"]["face_model_sha256"]


def _with_votes(merge: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """The group with the hash of the votes that choose its epoch; adds to `problems`."""
    if merge["epoch"] != "voted":
        return merge
    try:
        digest, expected = votes_hash(read_votes()), merge["votes"]
    except UserError as error:
        problems += error.problems
        return merge
    if expected and expected != digest:
        problems.append(
            f"the votes in {VOTES} have the hash {digest}, but merge.votes is {expected}; set merge.votes to"
            " null"
        )
    return {**merge, "votes": digest}


def where_from(path_key: str, family: str | None = None) -> str:
    """How to get a missing model of this key; empty if nothing is known."""
    return how_to_get(family) if path_key == "base.path" else WHERE_FROM.get(path_key, "")


def hub_models(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Key and name of each model that comes from the hub."""
    models = []
    for path_key, _, hub in LOCKED:
        group, name = path_key.split(".")
        paths = values[group].get(name)
        for path in paths if isinstance(paths, list) else [paths]:
            if hub in (REPOSITORY, FOLDER_OF_REPOSITORY) and path and is_hub_name(path, hub):
                models.append((path_key, path))
    return models


def _locked(
    path_key: str,
    path: str,
    hash_key: str,
    expected: str | None,
    hub: re.Pattern[str] | None,
    where: str,
    problems: list[str],
) -> str | None:
    """The hash of one model, or the expected one of a hub name; adds to `problems`."""
    digest = sha256_of_model(path)
    if digest is None and not (hub and is_hub_name(path, hub)):
        cure = f"; {where}" if where else ""
        problems.append(
            f"{path_key} {path}: no such file or folder; put it there, or correct {path_key}{cure}"
        )
    if digest and expected and digest != expected:
        problems.append(
            f"{path_key} {path} has the hash {digest}, but {hash_key} is {expected};"
            f" put the right file there, or set {hash_key} to null"
        )
    return digest or expected
