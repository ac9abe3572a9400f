"""What a base is, part by part, for a person. Headers and configurations are read, and no torch is loaded."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.bases import projection
from pipeline.bases.facts import FamilyFacts
from pipeline.bases.look import recognise
from pipeline.bases.prediction import Prediction
from pipeline.bases.registry import Recognised, titles
from pipeline.errors import UserError
from pipeline.files.safetensors_header import Header, read_header

PARTS = {
    "U-Net": ("model.diffusion_model.", "model_ema."),
    "VAE": ("first_stage_model.",),
    "first text encoder": ("cond_stage_model.", "conditioner.embedders.0."),
    "second text encoder": ("conditioner.embedders.1.",),
}
"""Beginnings of names in a single file, by part; the second text encoder is SDXL's."""
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
    return facts | (dict(_of_file(path, read_header(path), found.facts)) if path.is_file() else {})


def _trained(found: Recognised) -> str:
    return "yes" if found.trainable else f"no; this pipeline trains {titles()}"


def _predicted(prediction: Prediction) -> str:
    zero = ", zero terminal SNR" if prediction.zero_terminal_snr else ""
    return f"{prediction.type or 'unknown'}{zero} ({prediction.evidence})"


def _of_file(path: Path, header: Header, facts: FamilyFacts | None) -> Iterator[tuple[str, str]]:
    there = [
        title for title, starts in PARTS.items() if any(name.startswith(starts) for name in header.tensors)
    ]
    yield "parts", ", ".join(there) or "none that is known here"
    if missing := _missing(there, facts):
        yield "missing", ", ".join(missing)
    types = Counter(entry.dtype for entry in header.tensors.values())
    yield "precision", ", ".join(f"{name} ({count} tensors)" for name, count in types.most_common())
    if projection.XL_PROJECTION_KEY in header.tensors:
        turned = projection.orientation(path, header.tensors[projection.XL_PROJECTION_KEY])
        yield "text_projection", ORIENTATIONS[turned]
    yield "licence", header.metadata.get(LICENCE_KEY, "not in the header")


def _missing(there: list[str], facts: FamilyFacts | None) -> list[str]:
    """Parts that a whole checkpoint of the family has."""
    if facts is None:
        return []
    encoders = ["first text encoder", "second text encoder"][: len(facts.text_encoders)]
    return [title for title in ("U-Net", "VAE", *encoders) if title not in there]


def lines(facts: Mapping[str, str]) -> list[str]:
    return [f"{name}: {fact}" for name, fact in facts.items()]
