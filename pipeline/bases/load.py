"""Loads base checkpoints from a diffusers folder, a single file, or a hub name, as float32 modules.

A single file needs no connection: the published configurations of each family and CLIP's vocabulary are part
of the package, and files that we write have their own configurations in the header.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from torch import nn
from transformers.utils import logging as transformers_logging

from pipeline.bases.base import Base, OpensStored, PartOrReader
from pipeline.bases.family import Family
from pipeline.bases.filling import filled, origins_there
from pipeline.bases.look import recognise
from pipeline.bases.parts import UNET, Part
from pipeline.bases.parts_there import bare_part
from pipeline.bases.prediction import noise_levels_of
from pipeline.bases.registry import Recognised, family, recognised, recognised_config, titles
from pipeline.bases.single_file import alone, outline_of
from pipeline.bases.stated import BASE_KEY, checked, stated
from pipeline.bases.stored_base import stored_base
from pipeline.bases.stored_vae import open_vae
from pipeline.bases.tokenizers import insist_on_known_tokens, make_tokenizer, read_tokenizer
from pipeline.errors import UserError
from pipeline.files.damage import is_of_the_file, reporting_damage
from pipeline.files.hub_names import NO_CONNECTION
from pipeline.files.hub_names import reason_of as reason_of_hub
from pipeline.schemas import BaseConfig
from pipeline.store.known_hashes import sha256_of_model

for quiet in (diffusers_logging, transformers_logging):
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()


def load_base(config: BaseConfig, trained_dtype: torch.dtype = torch.float32) -> Base:
    """Loads and checks. Raises UserError for a missing, damaged or unsuitable checkpoint. The denoiser and
    the text encoders are read as `trained_dtype` (SDXL's in float32 are 13 GB), the VAE in float32.
    """
    path = Path(config.path)
    _insist(path, config)
    base = (
        _from_file(path, not config.vae, trained_dtype)
        if path.is_file()
        else _from_folder(config, trained_dtype)
    )
    base = base.predicting(config.prediction_type) if config.prediction_type else base
    if config.vae is None:
        return base
    vae, vae_path = load_vae(Path(config.vae), base.family), Path(config.vae)
    return base.with_part("vae", *vae, lambda: open_vae(vae_path)[0])


def _opens_stored(path: Path) -> OpensStored:
    return lambda: stored_base(path).tensors


def _insist(path: Path, config: BaseConfig) -> None:
    if config.sha256 and path.exists() and (digest := sha256_of_model(path)) != config.sha256:
        raise UserError(
            f"base.path {path} has changed since `compose` ran (hash {digest}, not"
            f" {config.sha256}); run `dvc repro -f compose`, then `dvc repro`"
        )


def _dtype(part: Part, made: Family, trained_dtype: torch.dtype) -> torch.dtype:
    return trained_dtype if part in made.trained_parts else torch.float32


def _from_folder(config: BaseConfig, trained_dtype: torch.dtype) -> Base:
    """A local diffusers folder, or a hub name."""
    from diffusers import DDIMScheduler

    path, origin = Path(config.path), f"base.path {config.path}"
    if path.is_dir() and not (path / "model_index.json").is_file():
        raise UserError(
            f"{origin}: no model_index.json in it; it must be a diffusers folder, or a .safetensors file"
        )
    options = {"revision": config.revision} if config.revision and not path.is_dir() else {}
    with _reporting_failures(config.path):
        denoiser = UNET.read_config(config.path, options)
    made = _family(recognised_config(denoiser), origin)
    with _reporting_failures(config.path):
        given = {"scheduler": DDIMScheduler.load_config(config.path, subfolder="scheduler", **options)}
        given |= {part.name: part.read_config(config.path, options) for part in made.parts}
    for part, values in given.items():
        checked(part, values, origin)
    if levels := noise_levels_of(given["scheduler"]):
        raise UserError(f"{origin} has {levels}; this pipeline trains {titles()}: choose such a base")
    configs = {**given, **_filled_in(made, given, config.path)}
    tokenizer = read_tokenizer(config.path, options, origin)
    insist_on_known_tokens(tokenizer, configs["text_encoder"]["vocab_size"], origin)

    def reads(part: Part) -> Callable[[], nn.Module]:
        return partial(_read_part, part, config.path, options, _dtype(part, made, trained_dtype))

    parts = {part.name: reads(part) for part in made.parts}
    return Base(made, tokenizer, parts, configs, _opens_stored(path) if path.is_dir() else dict)


def _filled_in(made: Family, given: dict[str, Any], path: str) -> dict[str, Any]:
    """The parts' configurations, with the defaults of the classes for missing entries."""
    with _reporting_failures(path):
        return {part.name: part.whole_config(given[part.name]) for part in made.parts}


def _family(match: Recognised | None, origin: str) -> Family:
    if match is None or match.facts is None or not match.trainable:
        title = match.title if match else "not a known checkpoint"
        raise UserError(f"{origin} is {title}; this pipeline trains {titles()}: choose one of these")
    return family(match.facts.name)


def _read_part(part: Part, path: str, options: dict[str, str], dtype: torch.dtype) -> nn.Module:
    with _reporting_failures(path):
        return part.read(path, options, dtype=dtype)


@contextmanager
def _reporting_failures(path: str) -> Iterator[None]:
    """Reports a failure inside as a user error with a cure: correct the name, fetch again, or connect."""
    problem = f"base.path {path}: not a folder or file that loads, nor a hub name that can be fetched"
    with reporting_damage(problem, "correct base.path, or fetch it again"):
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if is_of_the_file(error) and reason_of_hub(error) == NO_CONNECTION:
                raise UserError(
                    f"base.path {path} is not in the hub's cache, and {NO_CONNECTION}; connect once, or put"
                    " the base on this machine and name its file or folder"
                ) from error
            raise


def _from_file(path: Path, own_vae: bool, trained_dtype: torch.dtype) -> Base:
    """A single file in the original layout; `own_vae`: whether its VAE is read."""
    header, origin = outline_of(path), f"base.path {path}"
    bare = bare_part(header.shapes)
    made = _family(Recognised(bare) if bare else recognised(header.shapes), origin)
    if part := alone(header.shapes, made.parts):
        raise UserError(f"{origin} is {part}; this pipeline trains {titles()}: choose a whole checkpoint")
    base = outline(made, stated(header.metadata.get(BASE_KEY), origin), origin)

    def reads(part: str, module: nn.Module) -> PartOrReader:
        if part == "vae" and not own_vae:
            return module
        dtype = _dtype(made.part(part), made, trained_dtype)
        return partial(filled, module, path, origins_there(base, part, path, header.shapes), dtype)

    parts = {name: reads(name, module) for name, module in base.loaded().items()}
    whole = Base(base.family, base.tokenizer, parts, base.configs, _opens_stored(path))
    return _as_marked(whole, path)


def _as_marked(base: Base, path: Path) -> Base:
    """The base with the prediction that the file states; unchanged if it states none."""
    match = recognise(path)
    prediction = match.prediction if match else None
    if prediction is None or prediction.type is None:
        return base
    return base.predicting(prediction.type, prediction.zero_terminal_snr)


def outline(made: Family, own: dict[str, Any], origin: str) -> Base:
    """A base without weights, on the meta device. `own`: what a header states (`stated`); without it, the
    published configurations are used. `origin` names the file in errors.
    """
    configs = own.get("configs") or made.configs
    if absent := [name for name in made.configs if name not in configs]:
        raise UserError(
            f"{origin}: its configs lack {', '.join(absent)}; the file is damaged: fetch it again"
        )
    with reporting_damage(f"{origin}: no {made.facts.title} can be built from its configs"):
        parts = {part.name: part.outline(configs[part.name]) for part in made.parts}
    tokenizer = make_tokenizer(own.get("tokenizer"), origin)
    insist_on_known_tokens(tokenizer, configs["text_encoder"]["vocab_size"], origin)
    return Base(made, tokenizer, parts, configs)


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
