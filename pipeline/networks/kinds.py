"""Recognises network files that are not adapters, by their header alone. Without torch."""

from pathlib import Path

from pipeline.bases.registry import recognised
from pipeline.files.kinds import is_aesthetic, is_embedding, is_hypernetwork
from pipeline.files.safetensors_header import Header, read_header


def kind_of_file(path: Path) -> str | None:
    """The kind of a .safetensors file. Raises UserError if it is damaged."""
    return kind_of(read_header(path))


def kind_of(header: Header) -> str | None:
    """From a .safetensors file's header; None if it may be an adapter's."""
    keys, metadata = header.tensors.keys(), header.metadata
    match = recognised(header.shapes)
    known = {
        "checkpoint": match is not None and match.facts is not None,
        "aesthetic": is_aesthetic(keys),
        "hypernetwork": is_hypernetwork(keys, metadata),
        "embedding": is_embedding(keys, metadata),
    }
    return next(filter(known.get, known), None)
