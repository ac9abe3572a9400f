"""Content hashes of the models that a run starts from: another file under the same name is another run."""

import re
from pathlib import Path
from typing import Any

from pipeline.config.recipes import locked_content
from pipeline.errors import UserError
from pipeline.files.known_hashes import sha256_of_model

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
REPOSITORY_FOLDER = re.compile(r"[\w.-]+/[\w.-]+(/[\w.-]+)*(@[\w./-]+)?")
# (key of the path, key of its hash, what a hub's name looks like there)
LOCKED = (
    ("base.path", "base.sha256", REPOSITORY),
    ("base.vae", "base.vae_sha256", None),
    ("crop.face_model", "crop.face_model_sha256", None),
    ("network.initial", "network.initial_sha256", None),
    ("network.clip", "network.clip_sha256", None),
    ("tag.model", "tag.sha256", REPOSITORY_FOLDER),
    (
        "sample_grid.second_pass_upscaler",
        "sample_grid.second_pass_upscaler_sha256",
        re.compile(r"latent\w*(-exact)?"),
    ),
    ("sample_grid.clip", "sample_grid.clip_sha256", None),
    ("tag.sentence_model", "tag.sentence_sha256", REPOSITORY_FOLDER),
)
RECIPES = (("merge", "recipe"), ("sample_grid", "merge"))
FILES = (".safetensors", ".ckpt", ".pt", ".onnx")
BUILT_IN = {"crop.face_model": "lbp"}
"""Names that stand for no file."""


def lock(values: dict[str, Any]) -> dict[str, Any]:
    """Fills in each hash that is null and checks each that is given; a hub name's stays as it is.

    A list of models gets a list of hashes. Models that are not there, or not those wanted, are a user error.
    """
    locked = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    problems: list[str] = []
    for path_key, hash_key, hub in LOCKED:
        (group, path_name), (_, hash_name) = path_key.split("."), hash_key.split(".")
        paths, wanted = values[group].get(path_name), values[group].get(hash_name)
        if isinstance(paths, list):
            hashes = wanted if isinstance(wanted, list) else [None] * len(paths)
            locked[group][hash_name] = [
                _locked(path_key, path, hash_key, each, hub, problems)
                for path, each in zip(paths, hashes, strict=True)
            ]
        elif paths not in (None, BUILT_IN.get(path_key)):
            locked[group][hash_name] = _locked(path_key, paths, hash_key, wanted, hub, problems)
    for group, name in RECIPES:
        if (recipe := values[group][name]) is not None:
            locked[group][name] = locked_content(recipe, f"{group}.{name}", problems)
    if problems:
        raise UserError(*problems)
    return locked


def _locked(
    path_key: str,
    path: str,
    hash_key: str,
    wanted: str | None,
    hub: re.Pattern[str] | None,
    problems: list[str],
) -> str | None:
    """The hash of one model, or the one wanted of a hub name; what is wrong goes to `problems`."""
    found = sha256_of_model(path)
    if found is None and not (hub and _is_hub_name(path, hub)):
        problems.append(f"{path_key} {path}: no such file or folder; put it there, or correct {path_key}")
    if found and wanted and found != wanted:
        problems.append(
            f"{path_key} {path} has the hash {found}, but {hash_key} asks for {wanted};"
            f" put the right file there, or set {hash_key} to null"
        )
    return found or wanted


def _is_hub_name(path: str, hub: re.Pattern[str]) -> bool:
    """Such a name, unless a folder of the owner's name lies here or it is a model file's."""
    named = hub.fullmatch(path) and Path(path).suffix not in FILES
    return bool(named) and not Path(path.split("/", maxsplit=1)[0]).exists()
