"""Recognises a base by its names, shapes and configurations, without reading a weight or loading torch."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.bases import projection
from pipeline.bases.prediction import Prediction, of_header, of_scheduler
from pipeline.bases.registry import Recognised, recognised, recognised_config
from pipeline.bases.stated import BASE_KEY, checked, stated
from pipeline.errors import UserError
from pipeline.files.json_text import read_mapping
from pipeline.files.safetensors_header import Header, read_header
from pipeline.schemas import BaseConfig

NOTHING_KNOWN = Recognised("not a known checkpoint")
SCHEDULER = "scheduler/scheduler_config.json"


def recognise(path: Path) -> Recognised | None:
    """The family of a diffusers folder or a .safetensors file; None for a hub name or a pickle, which are
    recognised when they are loaded. Raises UserError for a folder that is not diffusers'.
    """
    if path.is_dir():
        return _folder(path)
    if path.suffix != ".safetensors" or not path.exists():
        return None
    header = read_header(path)
    match = recognised(header.shapes)
    return _with_signs(path, match, header) if match else NOTHING_KNOWN


def prediction_of(base: BaseConfig) -> Prediction:
    """What the base is used as: as its files say, and as the user says in place of that."""
    match = recognise(Path(base.path))
    found = match.prediction if match else None
    found = found or Prediction(None, "nothing states it")
    return replace(found, type=base.prediction_type) if base.prediction_type else found


def _folder(path: Path) -> Recognised:
    config = path / "unet/config.json"
    if not (path / "model_index.json").is_file() or not config.is_file():
        raise UserError(
            f"base.path {path}: no model_index.json or no unet/config.json in it; it must be a diffusers"
            f" folder, or a .safetensors file"
        )
    denoiser = read_mapping(config)
    match = replace(recognised_config(denoiser), side_px=_side(denoiser))
    if not (path / SCHEDULER).is_file():
        return match
    scheduler = checked("scheduler", read_mapping(path / SCHEDULER), f"base.path {path}")
    return replace(match, prediction=of_scheduler(scheduler, str(path / SCHEDULER)))


def _with_signs(path: Path, match: Recognised, header: Header) -> Recognised:
    """Adds what the file says about its prediction and its size."""
    if match.facts is None:
        return match
    configs = stated(header.metadata.get(BASE_KEY), f"base.path {path}").get("configs", {})
    prediction = of_header(path, header, match.facts.prediction)
    if "scheduler" in configs:
        prediction = of_scheduler(configs["scheduler"], f"{BASE_KEY} in its header")
    turned = projection.orientation(path, header.tensors.get(projection.XL_PROJECTION_KEY)) == "transposed"
    side = _side(configs.get("unet", {}))
    return replace(match, prediction=prediction, side_px=side, is_transposed=turned)


def _side(denoiser: Mapping[str, Any]) -> int | None:
    """Side in pixels of the square that a denoiser's configuration is for: a latent pixel is 8 pixels
    wide.
    """
    latent = denoiser.get("sample_size")
    return latent * 8 if isinstance(latent, int) and not isinstance(latent, bool) else None
