"""Content hashes of the models that a run starts from: another file under the same name is another run."""

import re
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_tree

# (key of the path, key of its hash)
LOCKED = (
    ("base.path", "base.sha256"),
    ("base.vae", "base.vae_sha256"),
    ("tag.model", "tag.sha256"),
    ("crop.face_model", "crop.face_model_sha256"),
)
BUILT_IN = {"crop.face_model": ("lbp",)}
"""Names that stand for no file."""
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def lock(values: dict[str, Any]) -> dict[str, Any]:
    """Fills in each hash that is null and checks each that is given; a hub name's stays as it is.

    Models that are not there, or are not those wanted, are a user error.
    """
    locked = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    problems = []
    for path_key, hash_key in LOCKED:
        (group, path_name), (_, hash_name) = path_key.split("."), hash_key.split(".")
        path, wanted = values[group].get(path_name), values[group].get(hash_name)
        if path is None or path in BUILT_IN.get(path_key, ()):
            continue
        found = sha256_of_tree(path)
        if found is None and not (path_key == "base.path" and _is_hub_name(path)):
            problems.append(f"{path_key} {path}: no such file or folder; put it there, or correct {path_key}")
        if found and wanted and found != wanted:
            problems.append(
                f"{path_key} {path} has the hash {found}, but {hash_key} asks for {wanted};"
                f" put the right file there, or set {hash_key} to null"
            )
        locked[group][hash_name] = found or wanted
    if problems:
        raise UserError(*problems)
    return locked


def _is_hub_name(path: str) -> bool:
    """`owner/name`, unless a folder of the owner's name lies here or the name is a checkpoint file's."""
    named = HUB_NAME.fullmatch(path) and Path(path).suffix not in (".safetensors", ".ckpt")
    return bool(named) and not Path(path.split("/", maxsplit=1)[0]).exists()
