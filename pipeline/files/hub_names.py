"""What is a name on the Hugging Face hub, what is a path, and whether the hub gives it."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
FOLDER_OF_REPOSITORY = re.compile(
    r"(?P<repo>[\w.-]+/[\w.-]+)(?P<folder>(/[\w.-]+)*)(@(?P<revision>[\w./-]+))?"
)
FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".onnx")
OWN_FOLDERS = ("models", "model", "data", "demo", "pictures", "tries", "conf", "reports", "logs", ".", "..")
"""Names that begin so are paths, though nothing lies there."""
NO_NETWORK = "there is no network"
TIMEOUT_S = 10.0


def is_hub_name(name: str, pattern: re.Pattern[str] = FOLDER_OF_REPOSITORY) -> bool:
    """Whether nothing here can be meant: no folder of this project, none that is here, no model file."""
    first = Path(name.split("/", maxsplit=1)[0])
    is_path = first.name in OWN_FOLDERS or str(first) in OWN_FOLDERS or os.path.exists(first)
    return bool(pattern.fullmatch(name)) and not is_path and Path(name).suffix not in FILES


def is_cached(name: str, files: Sequence[str]) -> bool:
    """Whether the hub's cache on this machine has one of the files, so that no network is needed."""
    from huggingface_hub import try_to_load_from_cache

    parts = FOLDER_OF_REPOSITORY.fullmatch(name)
    assert parts
    prefix = parts["folder"].strip("/")
    names = [f"{prefix}/{file}" if prefix else file for file in files]
    revision = parts["revision"]
    found = (try_to_load_from_cache(parts["repo"], file, revision=revision) for file in names)
    return any(isinstance(path, str) for path in found)


def refusal(name: str, files: Sequence[str]) -> str | None:
    """Why the hub does not give the repository; None where it does: these files, small ones, are fetched."""
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
    """In words: what the hub answered, or that there is no network."""
    from huggingface_hub.errors import HfHubHTTPError

    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    answered = (each.response for each in chain if isinstance(each, HfHubHTTPError))
    if (response := next(answered, None)) is not None:
        return f"the hub answers {response.status_code}: no such repository or revision, or a private one"
    if any(_is_of_network(each) for each in chain):
        return NO_NETWORK
    return " ".join(str(error).split())[:200]


def _is_of_network(error: BaseException) -> bool:
    """By name, too: the hub's client has errors of its own, of a library that it may change."""
    names = ("ConnectError", "ConnectTimeout", "ReadTimeout", "ConnectionError", "ProxyError")
    return isinstance(error, ConnectionError | TimeoutError) or type(error).__name__ in names
