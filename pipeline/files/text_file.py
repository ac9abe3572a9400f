"""Reads all text files from users: UTF-8, and limited in length by kind. Otherwise a picture or a dump under
such a name would take minutes and gigabytes before an error.
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class FileKind:
    """A kind of file: its name in messages, its limit in bytes, and the advice if it is longer. For YAML also
    a limit of keys and values, which take far longer to read than bytes.
    """

    name: str
    most: int
    cure: str
    values: int = 5_000_000


CAPTION = FileKind("a caption", 256 * KIB, "shorten it, or move the file away if it is not a caption")
CAPTION_JSON = FileKind("a downloader's .json", 16 * MIB, "move the file away if it is not a caption")
TEMPLATES = FileKind("a set of templates", MIB, "give a text file with one template a line")
URLS = FileKind("a list of URLs", 64 * MIB, "split it into several lists")
LABEL_FILE = FileKind("a tagger's list of labels", 32 * MIB, "fetch it again")
SETTINGS_FILE = FileKind("a file of settings", MIB, "take out what no setting needs", 20_000)
MANUAL_EDITS = FileKind("a file of edits by hand", 16 * MIB, "split the set of pictures", 500_000)
GENERATED = FileKind("a file of DVC's or Hydra's", 64 * MIB, "get it back from git")
ADAPTER_SETTINGS = FileKind("PEFT's file of settings", MIB, "move it away, or fetch it again")
JSON = FileKind("a .json of a model", 100_000_000, "fetch it again")


class TextError(ValueError):
    """Why a file is not read; the message continues a sentence that begins with its name."""


def read_text(path: Path, kind: FileKind) -> str:
    """The file's text, without a byte order mark. A file that is missing, too long or not UTF-8 is a user
    error.
    """
    try:
        return bounded_text(path, kind)
    except TextError as error:
        raise UserError(f"{path} {error}") from None


def bounded_text(path: Path, kind: FileKind) -> str:
    """As `read_text`, for callers that name the file themselves. Raises TextError."""
    if not path.is_file():
        raise TextError("does not exist or is not a file; correct the path")
    with path.open("rb") as file:
        data = file.read(kind.most + 1)
    if len(data) > kind.most:
        length = max(path.stat().st_size, len(data))
        raise TextError(
            f"has {shown(length)}, but {kind.name} may have at most {shown(kind.most)}; {kind.cure}"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(f"is not UTF-8 (byte {error.start}: {error.reason}); save it as UTF-8") from None


def shown(size: int) -> str:
    """A number of bytes with a unit."""
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} bytes"
