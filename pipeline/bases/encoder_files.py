"""Text encoders in files of their own, in the folder `text_encoders` where a checkpoint is, as SD 3.5 is
published. They count as tensors of the checkpoint. Without torch.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.registry import SCALE_SIGNS, recognised
from pipeline.bases.structure import TensorShapes
from pipeline.errors import UserError
from pipeline.files.safetensors_header import Header, TensorEntry, read_header
from pipeline.store.known_hashes import sha256_of_model

ENCODER_FOLDER = "text_encoders"


@dataclass(frozen=True)
class EncoderFile:
    """prefix: of its tensors' names in a whole checkpoint, where they have none here."""

    path: Path
    prefix: str


def encoder_files(path: Path, shapes: TensorShapes) -> tuple[EncoderFile, ...]:
    """Of the text encoders that a checkpoint's file with these tensors lacks; empty if it has them all, or if
    there are no such files.
    """
    folder = path.parent / ENCODER_FOLDER
    if not folder.is_dir():
        return ()
    match = recognised(shapes)
    named = match.facts.encoder_files if match and match.facts else {}
    return tuple(
        EncoderFile(found, prefix)
        for prefix, names in named.items()
        if not _has(shapes, prefix) and (found := _first(folder, names))
    )


def insist_on_plain(path: Path, names: Collection[str]) -> None:
    """Raises UserError for a text encoder's file in scaled fp8."""
    if any(name.endswith(SCALE_SIGNS) for name in names):
        raise UserError(
            f"{path} is in scaled fp8, only for drawing; put one in fp16, bf16 or plain fp8 in its place"
        )


def encoders_cure(facts: FamilyFacts | None) -> str:
    """What to do about text encoders that a checkpoint lacks."""
    named = facts.encoder_files if facts else {}
    files = [names[0] for prefix, names in named.items() if facts and prefix.startswith(facts.text_signs)]
    folder = f", or put {' and '.join(files)} into a folder {ENCODER_FOLDER} where it is" if files else ""
    return f"choose a whole checkpoint{folder}"


def with_encoders(path: Path, header: Header) -> Header:
    """The header with the tensors of these files; their offsets are not of this file."""
    others: dict[str, TensorEntry] = {}
    for each in encoder_files(path, header.shapes):
        own = read_header(each.path).tensors
        insist_on_plain(each.path, own)
        others |= {each.prefix + name: entry for name, entry in own.items()}
    return Header({**header.tensors, **others}, header.metadata) if others else header


def encoders_sha256(path: Path) -> str | None:
    """Of the names and hashes of these files; None without any."""
    if path.suffix != ".safetensors" or not (path.parent / ENCODER_FOLDER).is_dir() or not path.is_file():
        return None
    files = [each.path for each in encoder_files(path, read_header(path).shapes)]
    lines = "".join(f"{file.name} {sha256_of_model(file)}\n" for file in files)
    return sha256(lines.encode()).hexdigest() if files else None


def _has(shapes: Collection[str] | Mapping[str, object], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in shapes)


def _first(folder: Path, names: Collection[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
