"""Loads base checkpoints from a diffusers folder, a single file, or a hub name, as float32 modules.

A single file needs no connection: the published configurations of each family and CLIP's vocabulary are part
of the package, and files that we write have their own configurations in the header.
"""

from functools import partial
from pathlib import Path
from typing import Any

import torch

from pipeline.bases.base import Base, PartOrReader
from pipeline.bases.encoder_files import ENCODER_FOLDER, encoders_sha256
from pipeline.bases.family import Family
from pipeline.bases.filling import filled, origins_there
from pipeline.bases.from_file import base_of_file
from pipeline.bases.from_folder import base_of_folder
from pipeline.bases.single_file import outline_of
from pipeline.bases.stated import checked
from pipeline.bases.stored_vae import open_vae
from pipeline.bases.t5_loaded import with_t5_as_set
from pipeline.bases.vae_tiles import in_tiles
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.schemas import BaseConfig
from pipeline.store.known_hashes import sha256_of_model


def load_base(config: BaseConfig, trained_dtype: torch.dtype = torch.float32) -> Base:
    """Loads and checks. Raises UserError for a missing, damaged or unsuitable checkpoint. The denoiser and
    the text encoders are read as `trained_dtype` (SDXL's in float32 are 13 GB), the VAE in float32.
    """
    path = Path(config.path)
    _insist(path, config)
    base = base_of_file(config, trained_dtype) if path.is_file() else base_of_folder(config, trained_dtype)
    base = base.predicting(config.prediction_type) if config.prediction_type else base
    base = base if config.vae is None else _with_vae(base, Path(config.vae))
    base = in_tiles(base) if config.vae_tiles != "none" else base
    return with_t5_as_set(base, config, trained_dtype)


def _with_vae(base: Base, path: Path) -> Base:
    return base.with_part("vae", *load_vae(path, base.family), lambda: open_vae(path)[0])


def _insist(path: Path, config: BaseConfig) -> None:
    if config.sha256 and path.exists() and (digest := sha256_of_model(path)) != config.sha256:
        raise UserError(
            f"base.path {path} has changed since `compose` ran (hash {digest}, not"
            f" {config.sha256}); run `dvc repro -f compose`, then `dvc repro`"
        )
    if config.text_encoders_sha256 and encoders_sha256(path) != config.text_encoders_sha256:
        raise UserError(
            f"the text encoders of base.path {path}, in the folder {ENCODER_FOLDER} there, have changed since"
            " `compose` ran; run `dvc repro -f compose`, then `dvc repro`"
        )


def load_vae(path: Path, made: Family) -> tuple[PartOrReader, dict[str, Any]]:
    """A separate VAE, or a function that reads it: a diffusers folder, or a .safetensors, .ckpt or .pt file
    in the original or diffusers layout.
    """
    part = made.part("vae")
    if path.is_dir():
        with reporting_damage(
            f"base.vae {path}: not a VAE folder that loads", "correct base.vae, or fetch it again"
        ):
            checked("vae", part.read_config(str(path), {}, alone=True), f"base.vae {path}")
            vae: Any = part.read(str(path), {}, alone=True)
        return vae, dict(vae.config)
    if not path.is_file():
        raise UserError(f"base.vae {path}: no such file or folder; correct base.vae, or set it to null")
    config = dict(made.configs["vae"])
    outlined = Base(made, None, {"vae": part.outline(config)}, made.configs)  # type: ignore[arg-type]
    shapes = outline_of(path).shapes
    return partial(filled, outlined.vae, path, origins_there(outlined, "vae", path, shapes)), config
