"""Content hashes of the models that a run starts from, so that another file under the same name is another
run.
"""

from typing import Any

from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_tree

# (key of the path, key of its hash)
LOCKED = (("base.path", "base.sha256"), ("base.vae", "base.vae_sha256"), ("tag.model", "tag.sha256"))


def lock(values: dict[str, Any]) -> dict[str, Any]:
    """Fills in each hash that is null and checks each that is given. Hub names (no such local path) stay as
    they are.
    """
    locked = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    problems = []
    for path_key, hash_key in LOCKED:
        (group, path_name), (_, hash_name) = path_key.split("."), hash_key.split(".")
        path, wanted = values[group].get(path_name), values[group].get(hash_name)
        found = sha256_of_tree(path) if isinstance(path, str) else None
        if found and wanted and found != wanted:
            problems.append(
                f"{path_key} {path} has the hash {found}, but {hash_key} asks for {wanted};"
                f" put the right file there, or set {hash_key} to null"
            )
        locked[group][hash_name] = found or wanted
    if problems:
        raise UserError(*problems)
    return locked
