"""Locates a tagger or captioner: a local path, or a name on the Hugging Face hub, fetched once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.files.hashing import sha256_of_tree
from pipeline.files.hub_names import FOLDER_OF_REPOSITORY, is_hub_name, reason_of

TAGGER_FILES = (
    "*.onnx", "*.onnx.data", "*.onnx_data", "*.pt", "selected_tags.csv", "tag_mapping.json", "tags*.txt",
    "categories.json", "*metadata.json", "top_tags.txt", "preprocess.json", "thresholds.csv",
)  # fmt: skip
CAPTIONER_FILES = ("*.json", "*.txt", "*.safetensors")
"""No .bin: those are pickles. No .py: code that comes with a model is never run."""
VLM_FILES = (*CAPTIONER_FILES, "*.jinja", "*.model")
HUB_NAME = FOLDER_OF_REPOSITORY


@dataclass(frozen=True)
class VisionModel:
    """A model's path and content hash; `key`: the setting that names it."""

    key: str
    name: str
    path: Path
    sha256: str


def located(key: str, name: str, expected: str | None, files: Sequence[str]) -> VisionModel:
    """The model `name`, its content hash compared with `expected`. A hub name is `owner/name`, a folder in it
    `owner/name/folder`, a revision `owner/name@revision`; `files` are those that are fetched and hashed.
    """
    path = Path(name)
    if path.exists():
        digest = sha256_of_tree(path)
    else:
        path = _fetched(key, name, files)
        digest = sha256_of_tree(path, files)
    if digest is None:
        raise UserError(f"{key} {name}: no such folder in that repository; correct {key}")
    if expected and digest != expected:
        raise UserError(
            f"{key} {name} has the hash {digest}, not {expected}; if you changed it on purpose, run"
            " `dvc repro -f compose`, then `dvc repro`; a hub name is pinned by `@revision`"
        )
    return VisionModel(key, name, path, digest)


def _fetched(key: str, name: str, files: Sequence[str]) -> Path:
    """The folder in the hub's cache, fetched if there is a network."""
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
            f"{key} {name}: not a folder here, and the hub does not provide it: {reason_of(error)};"
            f" connect to the network, name a local folder, or correct {key}"
        ) from None
    return Path(root) / folder
