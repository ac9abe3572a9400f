"""Where a tagger or captioner lies: a local path, or a name on the Hugging Face hub, fetched once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_tree
from pipeline.files.hub_names import FOLDER_OF_REPOSITORY, is_hub_name, reason_of

TAGGER_FILES = (
    "*.onnx", "*.onnx.data", "*.onnx_data", "*.pt", "selected_tags.csv", "tag_mapping.json", "tags*.txt",
    "categories.json",
)  # fmt: skip
CAPTIONER_FILES = ("*.json", "*.txt", "*.safetensors")
"""No .bin: those are pickles."""
HUB_NAME = FOLDER_OF_REPOSITORY


@dataclass(frozen=True)
class Model:
    """A model's place and the hash of its content; `key` is the setting that names it."""

    key: str
    name: str
    path: Path
    sha256: str


def located(key: str, name: str, wanted: str | None, files: Sequence[str]) -> Model:
    """The model called `name`, its content held against `wanted`. A hub name is `owner/name`, a folder in it
    `owner/name/folder`, a revision `owner/name@revision`; `files` are those that are fetched and hashed.
    """
    path = Path(name)
    if path.exists():
        found = sha256_of_tree(path)
    else:
        path = _fetched(key, name, files)
        found = sha256_of_tree(path, files)
    if found is None:
        raise UserError(f"{key} {name}: no such folder in that repository; correct {key}")
    if wanted and found != wanted:
        raise UserError(
            f"{key} {name} has the hash {found}, not {wanted}; if it was changed on purpose, run"
            " `dvc repro -f compose`, then `dvc repro`; a hub name is pinned by `@revision`"
        )
    return Model(key, name, path, found)


def _fetched(key: str, name: str, files: Sequence[str]) -> Path:
    """The folder in the hub's cache; without a network what the cache holds."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    parts = HUB_NAME.fullmatch(name)
    if parts is None or not is_hub_name(name):
        raise UserError(f"{key} {name}: no such file or folder, nor a hub name (owner/name); correct {key}")
    folder = parts["folder"].strip("/")
    prefix = f"{folder}/" if folder else ""
    try:
        root = snapshot_download(
            parts["repo"],
            revision=parts["revision"],
            allow_patterns=[prefix + file for file in files],
            ignore_patterns=[f"{prefix}*/*"],
        )
    except (OSError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise UserError(
            f"{key} {name}: no such folder here, and the hub does not give it: {reason_of(error)}; connect to"
            f" the network, put the model's folder here and name that, or correct {key}"
        ) from None
    return Path(root) / folder
