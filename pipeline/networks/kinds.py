"""Which of the kinds that are no adapter a network file is of, by its header alone. No torch here."""

from pathlib import Path

from pipeline.bases.registry import recognised
from pipeline.files.kinds import is_aesthetic, is_embedding, is_hypernetwork
from pipeline.files.safetensors_header import Header, read_header


def kind_of_file(path: Path) -> str | None:
    """Of a .safetensors file; a damaged one is a user error."""
    return kind_of(read_header(path))


def kind_of(header: Header) -> str | None:
    """By a .safetensors file's header; None where it may be an adapter's."""
    keys, metadata = header.tensors.keys(), header.metadata
    found = recognised(header.shapes)
    known = {
        "checkpoint": found is not None and found.facts is not None,
        "aesthetic": is_aesthetic(keys),
        "hypernetwork": is_hypernetwork(keys, metadata),
        "embedding": is_embedding(keys, metadata),
    }
    return next(filter(known.get, known), None)
