"""A VAE's tensors as its files have them, by their single-file names; no number is read."""

import re
from pathlib import Path

from pipeline.bases import vae_names
from pipeline.bases.parts import VAE
from pipeline.bases.vae_names import whole_checkpoint_name
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.tensor_file import Stored, TensorFile, open_tensors

ATTENTION = re.compile(r"first_stage_model\..+\.attn_1\.(q|k|v|proj_out)\.weight")


def open_vae(path: Path) -> tuple[dict[str, Stored], tuple[TensorFile, ...]]:
    """The VAE's weights by their single-file names, from a VAE's file or folder, or from a whole
    checkpoint.
    """
    with reporting_damage(f"{path} is not a readable VAE"):
        return _vae(path)


def _vae(path: Path) -> tuple[dict[str, Stored], tuple[TensorFile, ...]]:
    prefix = VAE.file_prefix
    if path.is_dir():
        files = weight_files(path / "vae" if (path / "vae").is_dir() else path)
        tensors = {name: stored for file in files for name, stored in file.tensors.items()}
    else:
        files = (open_tensors(path),)
        tensors = {
            name: stored
            for name, stored in files[0].tensors.items()
            if name.startswith((prefix, *vae_names.VAE_STARTS))
        }
    named = {whole_checkpoint_name(name): four_axes(name, stored) for name, stored in tensors.items()}
    if not any(name.startswith(f"{prefix}decoder.") for name in named):
        raise UserError(f"{path} has no VAE: no weight's name begins with {prefix}decoder.")
    return named, files


def four_axes(name: str, stored: Stored) -> Stored:
    """The VAE's attention is linear in diffusers, a 1x1 convolution in single files, with the same
    numbers.
    """
    if ATTENTION.fullmatch(whole_checkpoint_name(name)) and len(stored.shape) == 2:
        return Stored(stored.dtype, (*stored.shape, 1, 1), stored.bytes)
    return stored


def weight_files(folder: Path) -> tuple[TensorFile, ...]:
    """The part's weight files, one or several; full precision before a variant (`.fp16.`), .safetensors
    before .bin.
    """
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    plain = [path for path in files if not re.search(r"\.(fp16|bf16|non_ema|ema)[.-]", path.name)]
    if not files:
        raise UserError(f"{folder}: no .safetensors or .bin file in it; fetch the folder again")
    return tuple(open_tensors(path) for path in (plain or files))
