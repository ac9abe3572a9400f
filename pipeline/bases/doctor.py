"""What a base is, part by part, for a person. Headers and configurations are read, and no torch is loaded."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.bases import projection
from pipeline.bases.encoder_files import with_encoders
from pipeline.bases.look import recognise
from pipeline.bases.parts_there import (
    DENOISER_PREFIXES,
    ENCODER_TITLES,
    VAE_PREFIX,
    VAE_TITLE,
    denoiser_title,
)
from pipeline.bases.prediction import Prediction
from pipeline.bases.registry import Recognised, titles
from pipeline.bases.vae_look import vae_kind
from pipeline.errors import UserError
from pipeline.files.safetensors_header import Header, read_header

PARTS = {
    VAE_TITLE: (VAE_PREFIX,),
    ENCODER_TITLES[0]: ("cond_stage_model.", "conditioner.embedders.0.", "text_encoders.clip_l."),
    ENCODER_TITLES[1]: ("conditioner.embedders.1.", "text_encoders.clip_g."),
    "T5": ("text_encoders.t5xxl.",),
}
"""Beginnings of names in a single file, by part except the denoiser. The second text encoder is SDXL's or SD
3's.
"""
SAFETENSORS = ".safetensors"
LICENCE_KEY = "modelspec.license"
ORIENTATIONS = {
    "right": "the right way round",
    "transposed": "TRANSPOSED: pooled vectors are wrong in every tool",
    None: "unknown: not the published base's numbers",
}


def examined(path: Path) -> dict[str, str]:
    """Facts by their names, in order. A missing or unreadable file is a user error."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; correct the path")
    found = recognise(path)
    if found is None:
        raise UserError(f"{path}: its family is known only when it is loaded; save it as a .safetensors file")
    facts = {"family": found.title, "trained here": _trained(found)}
    if found.prediction:
        facts["prediction"] = _predicted(found.prediction)
    if found.side_px:
        facts["trained on"] = f"{found.side_px} px"
    return facts | dict(
        _of_file(path, with_encoders(path, read_header(path)), found)
        if path.is_file()
        else _of_folder(path, found)
    )


def _trained(found: Recognised) -> str:
    return "yes" if found.trainable else f"no; this pipeline trains {titles()}"


def _predicted(prediction: Prediction) -> str:
    zero = ", zero terminal SNR" if prediction.zero_terminal_snr else ""
    against = f"; {prediction.against} says otherwise" if prediction.against else ""
    return f"{prediction.type or 'unknown'}{zero} ({prediction.evidence}{against})"


def _of_file(path: Path, header: Header, found: Recognised) -> Iterator[tuple[str, str]]:
    parts = {denoiser_title(found.facts): DENOISER_PREFIXES, **PARTS}
    there = [
        title for title, starts in parts.items() if any(name.startswith(starts) for name in header.tensors)
    ]
    yield "parts", ", ".join(there) or "none that is known here"
    if found.missing and found.trainable:  # parts of others have other names
        yield "missing", ", ".join(found.missing)
    if found.facts and VAE_TITLE in there:
        yield "VAE", vae_kind(path, found.facts)
    yield "precision", _precision([header])
    if projection.XL_PROJECTION_KEY in header.tensors:
        turned = projection.orientation(path, header.tensors[projection.XL_PROJECTION_KEY])
        yield "text_projection", ORIENTATIONS[turned]
    yield "licence", header.metadata.get(LICENCE_KEY, "not in the header")


def _of_folder(path: Path, found: Recognised) -> Iterator[tuple[str, str]]:
    """Of a diffusers folder: the parts that have weights here."""
    weights = sorted(path.glob(f"*/*{SAFETENSORS}"))
    yield "parts", ", ".join(dict.fromkeys(file.parent.name for file in weights)) or "no .safetensors files"
    if found.facts and (path / "vae/config.json").is_file():
        yield "VAE", vae_kind(path, found.facts)
    yield "precision", _precision([read_header(file) for file in weights])


def _precision(headers: Sequence[Header]) -> str:
    types = Counter(entry.dtype for header in headers for entry in header.tensors.values())
    return ", ".join(f"{name} ({count} tensors)" for name, count in types.most_common()) or "no tensors"


def lines(facts: Mapping[str, str]) -> list[str]:
    return [f"{name}: {fact}" for name, fact in facts.items()]
