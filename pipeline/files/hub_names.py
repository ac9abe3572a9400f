"""Distinguishes names on the Hugging Face hub from paths, and checks whether the hub has them."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
FOLDER_OF_REPOSITORY = re.compile(
    r"(?P<repo>[\w.-]+/[\w.-]+)(?P<folder>(/[\w.-]+)*)(@(?P<revision>[\w./-]+))?"
)
MODEL_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".onnx")
OWN_FOLDERS = ("models", "model", "data", "demo", "pictures", "tries", "conf", "reports", "logs", ".", "..")
"""Names that begin with these are paths, even missing ones."""
NO_CONNECTION = "there is no network"
TIMEOUT_S = 10.0


def is_hub_name(name: str, pattern: re.Pattern[str] = FOLDER_OF_REPOSITORY) -> bool:
    """Whether the name cannot mean a local path: a project folder, an existing folder, or a model file."""
    first = Path(name.split("/", maxsplit=1)[0])
    is_path = first.name in OWN_FOLDERS or str(first) in OWN_FOLDERS or os.path.exists(first)
    return bool(pattern.fullmatch(name)) and not is_path and Path(name).suffix not in MODEL_SUFFIXES


def is_cached(name: str, files: Sequence[str]) -> bool:
    """Whether the local cache of the hub has one of the files, so that no network is needed."""
    from huggingface_hub import try_to_load_from_cache

    parts = FOLDER_OF_REPOSITORY.fullmatch(name)
    assert parts
    prefix = parts["folder"].strip("/")
    names = [f"{prefix}/{file}" if prefix else file for file in files]
    revision = parts["revision"]
    cached = (try_to_load_from_cache(parts["repo"], file, revision=revision) for file in names)
    return any(isinstance(path, str) for path in cached)


def refusal(name: str, files: Sequence[str]) -> str | None:
    """Why the hub does not provide the repository; None if it does. Fetches `files`, which are small."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    parts = FOLDER_OF_REPOSITORY.fullmatch(name)
    assert parts
    try:
        snapshot_download(
            parts["repo"], revision=parts["revision"], allow_patterns=[*files], etag_timeout=TIMEOUT_S
        )
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        return reason_of(error)
    return None


def reason_of(error: BaseException) -> str:
    """The reason in words: the hub's answer, or no network."""
    from huggingface_hub.errors import HfHubHTTPError

    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    answered = (each.response for each in chain if isinstance(each, HfHubHTTPError))
    if (response := next(answered, None)) is not None:
        return f"the hub answers {response.status_code}: no such repository or revision, or a private one"
    if any(_is_of_network(each) for each in chain):
        return NO_CONNECTION
    return " ".join(str(error).split())[:200]


def _is_of_network(error: BaseException) -> bool:
    """Checks names too: the hub client's own errors depend on its HTTP library, which may change."""
    names = ("ConnectError", "ConnectTimeout", "ReadTimeout", "ConnectionError", "ProxyError")
    return isinstance(error, ConnectionError | TimeoutError) or type(error).__name__ in names
