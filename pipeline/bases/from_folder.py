"""A base from a diffusers folder, or by its hub name."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.bases.base import Base
from pipeline.bases.family import Family
from pipeline.bases.outline import insist_on_fit
from pipeline.bases.parts import UNET, Part
from pipeline.bases.prediction import noise_levels_of
from pipeline.bases.registry import (
    denoiser_folder,
    families,
    family,
    recognised_config,
    titles,
    trained_family,
)
from pipeline.bases.stated import checked
from pipeline.bases.stored_base import stored_base
from pipeline.bases.t5_loaded import t5_tokenizer_for
from pipeline.bases.tokenizers import insist_on_known_tokens, read_tokenizer
from pipeline.errors import UserError
from pipeline.files.damage import is_of_the_file, reporting_damage
from pipeline.files.hub_names import NO_CONNECTION
from pipeline.files.hub_names import reason_of as reason_of_hub
from pipeline.schemas import BaseConfig


def base_of_folder(config: BaseConfig, trained_dtype: torch.dtype) -> Base:
    """Loads and checks; see `load_base`."""
    path, origin = Path(config.path), f"base.path {config.path}"
    if path.is_dir() and not (path / "model_index.json").is_file():
        raise UserError(
            f"{origin}: no model_index.json in it; it must be a diffusers folder, or a .safetensors file"
        )
    options = {"revision": config.revision} if config.revision and not path.is_dir() else {}
    with reporting_failures(config.path):
        denoiser = _denoiser(config).read_config(config.path, options)
    if not isinstance(denoiser, Mapping):
        raise UserError(f"{origin}: the config.json of its denoiser is no mapping; fetch it again")
    made = trained_family(recognised_config(denoiser), origin)
    there = [part for part in made.parts if not part.is_optional or _has(part, config, options)]
    configs = _configs(made, there, config.path, options, origin)
    insist_on_fit(made, configs, origin)
    tokenizer = read_tokenizer(config.path, options, origin)
    insist_on_known_tokens(tokenizer, configs["text_encoder"]["vocab_size"], origin)

    def reads(part: Part) -> Callable[[], nn.Module]:
        return partial(read_part, part, config.path, options, made.dtype_of(part, trained_dtype))

    parts = {part.name: reads(part) for part in there}
    opens_stored = (lambda: stored_base(path).tensors) if path.is_dir() else dict
    base = Base(made, tokenizer, parts, configs, opens_stored)
    base.t5_tokenizer = t5_tokenizer_for(base, config, None, origin)
    return base


def _has(part: Part, config: BaseConfig, options: dict[str, str]) -> bool:
    """Whether the folder has a part that it may lack, and the part is asked for."""
    from diffusers import DiffusionPipeline

    if config.t5 == "none":
        return False
    with reporting_failures(config.path):
        index = DiffusionPipeline.load_config(config.path, **options)
    entry = index.get(part.name)
    return isinstance(entry, list | tuple) and None not in entry


def _denoiser(config: BaseConfig) -> Part:
    """The denoiser in the folder; of a hub name, that of the family that the configuration names."""
    folder = denoiser_folder(Path(config.path))
    fitting = (
        facts
        for facts in families().values()
        if (facts.denoiser == folder if folder else facts.name == config.family)
    )
    facts = next(fitting, None)
    return family(facts.name).denoiser if facts else UNET


def _configs(
    made: Family, there: Sequence[Part], path: str, options: dict[str, str], origin: str
) -> dict[str, Any]:
    """The scheduler's and the parts' configurations, checked. The classes' defaults fill missing entries of
    the parts.
    """
    from diffusers import DDIMScheduler

    with reporting_failures(path):
        given = {"scheduler": DDIMScheduler.load_config(path, subfolder="scheduler", **options)}
        given |= {part.name: part.read_config(path, options) for part in there}
    for name, values in given.items():
        checked(name, values, origin)
    if levels := noise_levels_of(given["scheduler"], made.facts.objective):
        raise UserError(f"{origin} has {levels}; this pipeline trains {titles()}: choose such a base")
    with reporting_failures(path):
        return {**given, **{part.name: part.whole_config(given[part.name]) for part in there}}


def read_part(part: Part, path: str, options: dict[str, str], dtype: torch.dtype) -> nn.Module:
    with reporting_failures(path):
        return part.read(path, options, dtype=dtype)


@contextmanager
def reporting_failures(path: str) -> Iterator[None]:
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
