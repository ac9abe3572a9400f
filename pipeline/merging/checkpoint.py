"""A checkpoint to merge: a single file or a diffusers folder, opened by name, no weight read."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.bases.origins import Form
from pipeline.bases.registry import family, recognised
from pipeline.bases.single_file import alone, ema_name, say_averaged
from pipeline.bases.structure import EMA_PREFIX
from pipeline.bases.vae_names import whole_checkpoint_name
from pipeline.errors import UserError
from pipeline.files.damage import damage_told
from pipeline.files.json_text import read_mapping
from pipeline.files.tensor_file import Stored, TensorFile, open_tensors
from pipeline.merging.names import (
    SD2_TEXT_PREFIX,
    TEXT_PREFIX,
    UNET_PREFIX,
    VAE_PREFIX,
    VAE_SIGNS,
    XL_TEXT_PREFIXES,
    part_of,
    single_file_name,
    text_origin,
    unet_name,
)
from pipeline.merging.weights import blocks_of

ATTENTION = re.compile(r"first_stage_model\..+\.attn_1\.(q|k|v|proj_out)\.weight")


@dataclass(frozen=True)
class Checkpoint:
    """Weights by their single-file names; `blocks` are its U-Net's."""

    path: Path
    tensors: Mapping[str, Stored]
    blocks: tuple[str, ...]
    metadata: Mapping[str, str]
    files: tuple[TensorFile, ...]


@dataclass(frozen=True, eq=False)
class Joined:
    """Tensors one behind the other."""

    parts: tuple[Stored, ...]

    def read(self, start: int, stop: int) -> Tensor:
        pieces, begin = [], 0
        for part in self.parts:
            end = begin + part.numel * part.dtype.itemsize
            low, high = max(start, begin), min(stop, end)
            if low < high:
                pieces.append(part.bytes.read(low - begin, high - begin))
            begin = end
        return torch.cat(pieces) if len(pieces) != 1 else pieces[0]


def open_checkpoint(path: Path) -> Checkpoint:
    """A single file or a diffusers folder of SD 1.x, 2.x or SDXL; anything else is a user error."""
    with damage_told(f"{path} is no checkpoint that can be read"):
        return _checkpoint(path)


def _checkpoint(path: Path) -> Checkpoint:
    if path.is_dir():
        tensors, files, metadata = _folder(path)
    else:
        file = open_tensors(path)
        tensors = {single_file_name(name): stored for name, stored in averaged(path, file.tensors).items()}
        files, metadata = (file,), dict(file.metadata)
    blocks = blocks_of(tensors)
    if blocks is None:
        shapes = {name: stored.shape for name, stored in tensors.items()}
        found = recognised(shapes)
        title = alone(shapes) or (found.title if found else "no checkpoint that is known here")
        raise UserError(
            f"{path} is {title}; whole checkpoints of Stable Diffusion"
            " 1.x, 2.x and SDXL can be merged, as a single file or a diffusers folder"
        )
    return Checkpoint(path, {name: _four_axes(name, stored) for name, stored in tensors.items()},
                      blocks, metadata, files)  # fmt: skip


def averaged(path: Path, tensors: Mapping[str, Stored]) -> Mapping[str, Stored]:
    """Averaged (EMA) weights by their usual names, where the file has no others."""
    is_there = {
        prefix: any(name.startswith(prefix) for name in tensors) for prefix in (UNET_PREFIX, EMA_PREFIX)
    }
    if is_there[UNET_PREFIX] or not is_there[EMA_PREFIX]:
        return tensors
    made = family("sd1")
    keys = made.denoiser.outline(made.configs["unet"]).state_dict()
    usual = {ema_name(origin.key): origin.key for origin in made.origins("unet", keys, made.configs).values()}
    say_averaged(path, tensors)
    return {usual.get(name, name): stored for name, stored in tensors.items()}


def open_vae(path: Path) -> tuple[dict[str, Stored], tuple[TensorFile, ...]]:
    """The VAE's weights by their single-file names: of a VAE's file or folder, or of a whole checkpoint."""
    with damage_told(f"{path} is no VAE that can be read"):
        return _vae(path)


def _vae(path: Path) -> tuple[dict[str, Stored], tuple[TensorFile, ...]]:
    if path.is_dir():
        folder = path / "vae" if (path / "vae").is_dir() else path
        files = _weight_files(folder)
        named = {
            whole_checkpoint_name(name): stored for file in files for name, stored in file.tensors.items()
        }
    else:
        files = (open_tensors(path),)
        named = {
            whole_checkpoint_name(name): stored
            for name, stored in files[0].tensors.items()
            if name.startswith((VAE_PREFIX, *VAE_SIGNS))
        }
    if not any(name.startswith(f"{VAE_PREFIX}decoder.") for name in named):
        raise UserError(f"{path} holds no VAE: no weight is named {VAE_PREFIX}decoder...")
    return {name: _four_axes(name, stored) for name, stored in named.items()}, files


def _four_axes(name: str, stored: Stored) -> Stored:
    """The VAE's attention is linear in diffusers, a 1x1 convolution in single files: the same numbers."""
    if ATTENTION.fullmatch(name) and len(stored.shape) == 2:
        return Stored(stored.dtype, (*stored.shape, 1, 1), stored.bytes)
    return stored


def _folder(path: Path) -> tuple[dict[str, Stored], tuple[TensorFile, ...], dict[str, str]]:
    if not (path / "unet").is_dir():
        raise UserError(f"{path}: no folder unet in it; it must be a diffusers folder, or a file")
    is_xl = (path / "text_encoder_2").is_dir()
    parts = {
        part: _weight_files(path / part) for part in ("unet", "vae", "text_encoder") if (path / part).is_dir()
    }
    tensors: dict[str, Stored] = {}
    for file in parts["unet"]:
        tensors |= {unet_name(name, is_xl): stored for name, stored in file.tensors.items()}
    for file in parts.get("vae", ()):
        tensors |= {whole_checkpoint_name(name): stored for name, stored in file.tensors.items()}
    if is_xl:
        parts["text_encoder_2"] = _weight_files(path / "text_encoder_2")
        tensors |= dict(_text(parts["text_encoder_2"], XL_TEXT_PREFIXES[1]))
        first = XL_TEXT_PREFIXES[0]
    else:
        first = SD2_TEXT_PREFIX if _is_sd2(path) else TEXT_PREFIX
    tensors |= dict(_text(parts.get("text_encoder", ()), first))
    return tensors, tuple(file for files in parts.values() for file in files), {}


def _is_sd2(path: Path) -> bool:
    config = path / "unet" / "config.json"
    return config.is_file() and bool(read_mapping(config).get("use_linear_projection"))


def _text(files: tuple[TensorFile, ...], prefix: str) -> Iterator[tuple[str, Stored]]:
    """A text encoder's weights; queries, keys and values in one where the single file has them so."""
    thirds: dict[str, dict[int, Stored]] = {}
    for file in files:
        for key, stored in file.tensors.items():
            origin = text_origin(key, prefix)
            if origin.pieces > 1:
                thirds.setdefault(origin.key, {})[origin.piece] = stored
            elif origin.form is Form.TRANSPOSED:
                turned = stored.read().reshape(stored.shape).T.contiguous()
                yield origin.key, Stored.of(turned)
            else:
                yield origin.key, stored
    for name, found in thirds.items():
        three = tuple(found[third] for third in sorted(found))
        shape = (3 * three[0].shape[0], *three[0].shape[1:])
        yield name, Stored(three[0].dtype, shape, Joined(three))


def _weight_files(folder: Path) -> tuple[TensorFile, ...]:
    """The part's weights: one file or several; full precision before a variant (`.fp16.`), .safetensors
    before .bin.
    """
    found = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    plain = [path for path in found if not re.search(r"\.(fp16|bf16|non_ema|ema)[.-]", path.name)]
    if not found:
        raise UserError(f"{folder}: no .safetensors or .bin file in it; fetch the folder again")
    return tuple(open_tensors(path) for path in (plain or found))


__all__ = ["Checkpoint", "open_checkpoint", "open_vae", "part_of"]
