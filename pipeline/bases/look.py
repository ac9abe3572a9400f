"""Recognises a base by its names, shapes and configurations, without reading a weight or loading torch."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.bases import projection
from pipeline.bases.encoder_files import with_encoders
from pipeline.bases.parts_there import bare_part, missing_parts
from pipeline.bases.prediction import FLOW, Prediction, noise_levels_of, of_header, of_scheduler
from pipeline.bases.registry import (
    Recognised,
    blocks_of,
    denoiser_folder,
    known_or_first,
    of_variant,
    recognised,
    recognised_config,
)
from pipeline.bases.stated import BASE_KEY, checked, stated
from pipeline.errors import UserError
from pipeline.files.json_text import read_mapping
from pipeline.files.safetensors_header import Header, read_header
from pipeline.schemas import BaseConfig

UNKNOWN = "not a known checkpoint"
SCHEDULER = "scheduler/scheduler_config.json"
TRANSFORMER = "transformer/config.json"
TRANSFORMERS = {"Flux": "Flux"}
"""Bases of families that are not trained here, by the beginning of their denoiser's class in diffusers."""


def recognise(path: Path) -> Recognised | None:
    """The family of a diffusers folder or a .safetensors file; None for a hub name or a pickle, which are
    recognised when they are loaded. Raises UserError for a folder that is not diffusers'.
    """
    if path.is_dir():
        return _folder(path)
    if path.suffix != ".safetensors" or not path.exists():
        return None
    header = with_encoders(path, read_header(path))
    match = recognised(header.shapes)
    if part := bare_part(header.tensors):
        return Recognised(f"{part} alone", match.facts if match else None)
    return _with_signs(path, match, header) if match else Recognised(UNKNOWN)


def prediction_of(base: BaseConfig) -> Prediction:
    """What the base is used as: as its files say, and as the user says in place of that."""
    path = Path(base.path)
    match = _recognise_once(path, base.sha256) if base.sha256 else recognise(path)
    found = match.prediction if match else None
    found = found or Prediction(None, "nothing states it")
    return replace(found, type=base.prediction_type) if base.prediction_type else found


def blocks_of_base(base: BaseConfig, count: int | None = None) -> tuple[str, ...]:
    """The blocks of a base's denoiser. If it cannot be looked at, as a hub name, those of its family's member
    with `count` of them, else the most.
    """
    try:
        match = _recognise_once(Path(base.path), base.sha256) if base.sha256 else recognise(Path(base.path))
    except UserError:  # looked_at.py reports it
        match = None
    if match and match.blocks:
        return match.blocks
    members = known_or_first(base.family).members_blocks
    return next((blocks for blocks in members if len(blocks) == count), blocks_of(base.family))


@cache
def _recognise_once(path: Path, sha256: str) -> Recognised | None:  # noqa: ARG001  # another may come to that path
    return recognise(path)


def _folder(path: Path) -> Recognised:
    config = path / (denoiser_folder(path) or "unet") / "config.json"
    if (path / TRANSFORMER).is_file():
        denoiser = read_mapping(path / TRANSFORMER)
        if recognised_config(denoiser).facts is None and not (path / "unet/config.json").is_file():
            return _without_unet(denoiser)
    if not (path / "model_index.json").is_file() or not config.is_file():
        raise UserError(
            f"base.path {path}: no model_index.json or no unet/config.json in it; it must be a diffusers"
            f" folder, or a .safetensors file"
        )
    denoiser = read_mapping(config)
    match = recognised_config(denoiser)
    match = replace(match, side_px=_side(denoiser), missing=_missing_folders(path, match))
    match = replace(match, is_transposed=projection.transposed_in(path))
    scheduler = scheduler_in(path)
    if scheduler is None:
        return match
    if match.facts and (levels := noise_levels_of(scheduler, match.facts.objective)):
        return of_variant(match.facts, f"with {levels}")
    if match.facts and match.facts.objective == FLOW:
        return match
    return replace(match, prediction=of_scheduler(scheduler, str(path / SCHEDULER)))


def scheduler_in(folder: Path) -> dict[str, Any] | None:
    """The scheduler's configuration in a diffusers folder; None without one."""
    path = folder / SCHEDULER
    return checked("scheduler", read_mapping(path), f"base.path {folder}") if path.is_file() else None


def _without_unet(transformer: Mapping[str, Any]) -> Recognised:
    name = str(transformer.get("_class_name", ""))
    known = (title for start, title in TRANSFORMERS.items() if name.startswith(start))
    return Recognised(next(known, "a base without a U-Net"))


def _missing_folders(path: Path, match: Recognised) -> tuple[str, ...]:
    """Parts that a diffusers folder of the family has and this one lacks."""
    names = ("vae", *match.facts.text_encoders) if match.facts else ()
    return tuple(f"folder {name}" for name in names if not (path / name / "config.json").is_file())


def _with_signs(path: Path, match: Recognised, header: Header) -> Recognised:
    """Adds what the file says about its prediction and its size."""
    if match.facts is None:
        return match
    configs = stated(header.metadata.get(BASE_KEY), f"base.path {path}").get("configs", {})
    own = of_scheduler(configs["scheduler"], f"{BASE_KEY} in its header") if "scheduler" in configs else None
    is_flow = match.facts.objective == FLOW
    prediction = None if is_flow else of_header(path, header, match.facts.prediction, own)
    turned = projection.is_transposed(path, header)
    side = _side(configs.get(match.facts.denoiser, {}))
    missing = missing_parts(header.tensors, match.facts)
    return replace(match, prediction=prediction, side_px=side, is_transposed=turned, missing=missing)


def _side(denoiser: Mapping[str, Any]) -> int | None:
    """Side in pixels of the square that a denoiser's configuration is for: a latent pixel is 8 pixels
    wide.
    """
    latent = denoiser.get("sample_size")
    return latent * 8 if isinstance(latent, int) and not isinstance(latent, bool) else None
