"""A base's tensors as its files have them, by their single-file names; no number is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.bases.family import Configs, Family
from pipeline.bases.origins import Origin, TensorForm, put
from pipeline.bases.parts import UNET, VAE
from pipeline.bases.registry import denoiser_folder, families, family, recognised, recognised_config
from pipeline.bases.single_file import ema_name, open_files, say_averaged
from pipeline.bases.stored_vae import four_axes, weight_files
from pipeline.bases.structure import EMA_PREFIX
from pipeline.bases.vae_names import whole_checkpoint_name
from pipeline.bases.weight_names import usual_key
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.json_text import read_mapping
from pipeline.files.tensor_file import Stored, TensorFile


@dataclass(frozen=True)
class StoredBase:
    """tensors: by their single-file names. metadata: of a single file's header."""

    tensors: Mapping[str, Stored]
    files: tuple[TensorFile, ...]
    metadata: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Joined:
    """Concatenated tensors."""

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


def stored_base(path: Path) -> StoredBase:
    """Opens the files; raises UserError if they are damaged."""
    with reporting_damage(f"{path} is not a readable checkpoint"):
        if path.is_dir():
            return _folder(path)
        file, *others = files = open_files(path)
        whole = {name: stored for each in (file, *others) for name, stored in each.tensors.items()}
        named = averaged(path, whole if others else file.tensors)
        tensors = {usual_key(name): four_axes(name, stored) for name, stored in named.items()}
        return StoredBase(tensors, files, dict(file.metadata))


def averaged(path: Path, tensors: Mapping[str, Stored]) -> Mapping[str, Stored]:
    """Averaged (EMA) weights by their usual names, if the file has no others."""
    is_there = {
        prefix: any(name.startswith(prefix) for name in tensors) for prefix in (UNET.file_prefix, EMA_PREFIX)
    }
    if is_there[UNET.file_prefix] or not is_there[EMA_PREFIX]:
        return tensors
    match = recognised({name: stored.shape for name, stored in tensors.items()})
    if match is None or match.facts is None:
        return tensors
    made = family(match.facts.name)
    keys = made.denoiser.outline(made.configs["unet"]).state_dict()
    usual = {ema_name(origin.key): origin.key for origin in made.origins("unet", keys, made.configs).values()}
    say_averaged(path, tensors)
    return {usual.get(name, name): stored for name, stored in tensors.items()}


def _folder(path: Path) -> StoredBase:
    made, configs = _family_of(path)
    tensors: dict[str, Stored] = {}
    files: list[TensorFile] = []
    for part in made.parts:
        if not (folder := path / part.name).is_dir():
            continue
        opened = weight_files(folder)
        own = {name: stored for file in opened for name, stored in file.tensors.items()}
        tensors |= _of_vae(own) if part == VAE else _of_part(made, part.name, own, configs)
        files += opened
    return StoredBase(tensors, tuple(files), {})


def _family_of(folder: Path) -> tuple[Family, Configs]:
    """The family of a diffusers folder, and the denoiser's configuration. Without a configuration: the family
    with the folder's text encoders, and the published ones.
    """
    name = denoiser_folder(folder)
    if name is None:
        raise UserError(f"{folder}: no folder unet in it; it must be a diffusers folder, or a file")
    config = folder / name / "config.json"
    if config.is_file():
        denoiser = read_mapping(config)
        facts = recognised_config(denoiser).facts
        if facts is not None:
            made = family(facts.name)
            return made, {**made.configs, name: {**made.configs[name], **denoiser}}
    fitting = [each for each in families().values() if each.denoiser == name]
    there = {name for each in fitting for name in each.text_encoders if (folder / name).is_dir()}
    facts = next(each for each in fitting if there <= set(each.text_encoders))
    return family(facts.name), family(facts.name).configs


def _of_vae(tensors: Mapping[str, Stored]) -> dict[str, Stored]:
    return {whole_checkpoint_name(name): four_axes(name, stored) for name, stored in tensors.items()}


def _of_part(made: Family, part: str, tensors: Mapping[str, Stored], configs: Configs) -> dict[str, Stored]:
    """A part's tensors by their single-file names, in the form of single files."""
    by_key: dict[str, Stored] = {}
    pieces: dict[str, dict[int, Stored]] = {}
    for name, stored in tensors.items():
        if (origin := _origin(made, part, name, configs)) is None:
            continue
        if origin.pieces > 1:
            pieces.setdefault(origin.key, {})[origin.piece] = stored
        elif origin.form in (TensorForm.TRANSPOSED, TensorForm.SWAPPED):
            whole = stored.read().reshape(stored.shape)
            by_key[origin.key] = Stored.of(put({name: origin}, {name: whole})[origin.key])
        else:
            by_key[origin.key] = stored
    for key, own in pieces.items():
        all_ = tuple(own[number] for number in sorted(own))
        shape = (len(all_) * all_[0].shape[0], *all_[0].shape[1:])
        by_key[key] = Stored(all_[0].dtype, shape, Joined(all_))
    return by_key


def _origin(made: Family, part: str, name: str, configs: Configs) -> Origin | None:
    """The place of the tensor in a single file; an addition by another tool keeps its name."""
    try:
        return made.origin(part, name, configs)
    except KeyError:
        return Origin(f"{made.part(part).file_prefix}{name}")
