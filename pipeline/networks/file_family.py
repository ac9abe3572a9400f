"""The family of bases that a file is for (a network, a VAE or a checkpoint), by its header alone. Without
torch, except for small pickles and pictures, which may hold an embedding.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.registry import (
    STRANGERS,
    denoiser_folder,
    families,
    family_named,
    folder_of,
    known_or_first,
    recognised,
    recognised_config,
)
from pipeline.bases.structure import MMDIT, UNET_KIND, DenoiserStructure
from pipeline.errors import UserError
from pipeline.files.json_text import read_mapping
from pipeline.files.kinds import ENCODERS, is_embedding, is_hypernetwork
from pipeline.files.safetensors_header import Header, read_header
from pipeline.networks.module_names import is_mmdit, is_xl, other_family

TOKENS_IN = re.compile(
    r"attn2[._]to_k(\.processor)?[._](lora_down|lora_A|lora_A\.default|lora\.down|hada_w1_b)(\.weight)?$"
)
"""Keys of tensors [dim, width of the tokens]."""
ADAPTER_SIGN = re.compile(r"lora|hada_|lokr_|oft_|dora_|\.diff(_b)?$")
SMALL_BYTES = 1 << 22
"""No embedding is larger."""
Shapes = Mapping[str, tuple[int, ...]]


def family_of_path(path: Path) -> str | None:
    """The family's title; None if the file does not show it, or is not here. Raises UserError for a damaged
    file.
    """
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file():
        return None
    if path.suffix == ".safetensors":
        return family_of_header(read_header(path))
    return _of_pickle(path) if path.stat().st_size <= SMALL_BYTES else None


def family_of_header(header: Header) -> str | None:
    """The title, from what the header states, else from names and widths. The widths of
    embeddings and hypernetworks come first: older headers of ours say SD 1.x for all.
    """
    shapes, metadata = header.shapes, header.metadata
    named = family_named(metadata)
    is_words = is_embedding(shapes, metadata)
    if of_width := _of_embedding(shapes) if is_words else _of_hypernetwork(shapes, metadata):
        return named.title if named and _are_as_wide(named.title, of_width) else of_width
    if named:
        return named.title
    match = recognised(shapes)
    if match and (match.facts or match.title in STRANGERS.values()):
        return match.facts.title if match.facts else match.title
    return _of_adapter(shapes)


def architecture_of(widths: Iterable[int]) -> str:
    """modelspec.architecture of the only family with tokens of one of these widths; SD 1.x's for others."""
    facts = _only(widths)
    return (facts or known_or_first(None)).modelspec


def _of_adapter(shapes: Shapes) -> str | None:
    keys = [key for key in shapes if ADAPTER_SIGN.search(key)]
    if is_mmdit(keys):
        return _title_of(MMDIT)
    if other := next(filter(None, map(other_family, keys)), None):
        return other
    if is_xl(keys):
        return next(facts.title for facts in families().values() if facts.has_sizes)
    return _by_width(shapes[key][1] for key in keys if len(shapes[key]) > 1 and TOKENS_IN.search(key))


def _title_of(kind: str) -> str | None:
    """Of the family with this kind of denoiser."""
    denoiser = DenoiserStructure("", kind)
    return next((facts.title for facts in families().values() if facts.owns(denoiser)), None)


def _of_embedding(shapes: Shapes) -> str | None:
    if "t5xxl" in shapes:
        return _title_of(MMDIT)
    several = [shape[-1] for key, shape in shapes.items() if key in ENCODERS and shape]
    return _by_width([sum(several)] if several else [shape[-1] for shape in shapes.values() if shape])


def _of_hypernetwork(shapes: Shapes, metadata: Mapping[str, str]) -> str | None:
    if not is_hypernetwork(shapes, metadata):
        return None
    return _by_width(int(key.partition(".")[0]) for key in shapes if key.partition(".")[0].isdecimal())


def _of_pickle(path: Path) -> str | None:
    """Of an embedding in a pickle or a picture; others are recognised when they are loaded."""
    from pipeline.files.embedding_file import read_embeddings

    try:
        return _by_width(rows.shape[1] for rows in read_embeddings(path).values())
    except UserError:
        return None


def _of_folder(path: Path) -> str | None:
    """Of a diffusers folder."""
    config = path / (denoiser_folder(path) or "unet") / "config.json"
    facts = recognised_config(read_mapping(config)).facts if config.is_file() else None
    return facts.title if facts else None


def _by_width(found: Iterable[int]) -> str | None:
    facts = _only(found)
    return facts.title if facts else None


def _only(widths: Iterable[int]) -> FamilyFacts | None:
    """The only family whose tokens are so wide."""
    fitting = {facts.name: facts for width in widths if (facts := token_widths().get(width))}
    return next(iter(fitting.values())) if len(fitting) == 1 else None


def _are_as_wide(title: str, other: str) -> bool:
    """Whether both families' tokens are equally wide."""
    return len({_width(facts) for facts in families().values() if facts.title in (title, other)}) == 1


@cache
def token_widths() -> Mapping[int, FamilyFacts]:
    """The families by the width of their tokens, as published; of several the one with a U-Net, for which
    nearly all such files are.
    """
    ordered = sorted(families().values(), key=lambda facts: facts.denoiser == UNET_KIND)
    return {_width(facts): facts for facts in ordered}


def _width(facts: FamilyFacts) -> int:
    return sum(_published(facts.name, part)["hidden_size"] for part in facts.text_encoders)


def _published(name: str, part: str) -> dict[str, Any]:
    """The configuration of a part of the family's published base."""
    return read_mapping(folder_of(name) / f"configs/{part}.json")
