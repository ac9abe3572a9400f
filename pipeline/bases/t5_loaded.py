"""T5 of a base as the group base asks for it: whether it is there, its tokenizer, and its precision."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.bases.base import Base, PartOrReader
from pipeline.bases.eight_bits import in_eight_bits
from pipeline.bases.family import Configs, Family
from pipeline.bases.stated import T5_TOKENIZER
from pipeline.bases.t5_part import t5_dtype
from pipeline.bases.t5_tokens import T5_VOCABULARY, T5Tokenizer, t5_tokenizer_in, t5_tokenizer_of
from pipeline.errors import UserError
from pipeline.schemas import BaseConfig

WITHOUT_T5 = "set base.t5 to none to train and draw without it"


def with_t5_wanted(configs: Configs, made: Family, config: BaseConfig) -> Configs:
    """The configurations without that of T5 if the user does not want it."""
    optional = {part.name for part in made.parts if part.is_optional}
    return {name: each for name, each in configs.items() if config.t5 != "none" or name not in optional}


def t5_tokenizer_for(base: Base, config: BaseConfig, stated: Any, origin: str) -> T5Tokenizer | None:
    """The tokenizer that the user names, or that the base's folder or header (`stated`) has; None for a base
    without T5. Raises UserError for a T5 without one.
    """
    if (rows := _rows(base)) is None:
        return None
    if config.t5_tokenizer:
        made = t5_tokenizer_in(Path(config.t5_tokenizer), rows, "base.t5_tokenizer")
    else:
        made = _own(Path(config.path), config.revision, stated, rows, origin)
    return made.reading(config.t5_tokens)


def _own(path: Path, revision: str | None, stated: Any, rows: int, origin: str) -> T5Tokenizer:
    if stated is not None:
        return t5_tokenizer_of(stated, rows, origin)
    if path.is_dir():
        return t5_tokenizer_in(path / T5_TOKENIZER, rows, origin)
    if path.exists():
        raise UserError(
            f"{origin} has a T5, but no vocabulary of it: single files have none, and none is part of this"
            f" package; set base.t5_tokenizer to the folder {T5_TOKENIZER} of a diffusers folder of Stable"
            f" Diffusion 3, or {WITHOUT_T5}"
        )
    return t5_tokenizer_in(_fetched(str(path), revision), rows, origin)


def _fetched(name: str, revision: str | None) -> Path:
    """The tokenizer's folder in the hub's cache."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(name, f"{T5_TOKENIZER}/{T5_VOCABULARY}", revision=revision)).parent


def t5_tokenizer_of_merge(model: Base, first: Path, stated: Any) -> T5Tokenizer | None:
    """The tokenizer for a merged folder with T5: of the first input. Raises UserError if that has none."""
    if (rows := _rows(model)) is None:
        return None
    if stated is None and not (first / T5_TOKENIZER).is_dir():
        raise UserError(
            f"{first} has a T5, but no vocabulary of it, which a diffusers folder needs; set merge.layout to"
            " file"
        )
    return _own(first, None, stated, rows, str(first))


def with_t5_as_set(base: Base, config: BaseConfig, dtype: torch.dtype) -> Base:
    """The base with its T5 in 8 bits, if the user asks for that. dtype: of its scales."""
    names = [part.name for part in base.parts if part.is_optional and config.t5 == "int8"]
    for name in names:
        base = base.with_reader(name, lambda part: _in_eight_bits(part, t5_dtype(dtype)))
    return base


def _in_eight_bits(part: PartOrReader, dtype: torch.dtype) -> nn.Module:
    module = part if isinstance(part, nn.Module) else part()
    in_eight_bits([module], dtype)
    return module


def _rows(base: Base) -> int | None:
    """Of T5's table; None without T5."""
    names = [part.name for part in base.parts if part.is_optional]
    return int(base.configs[names[0]]["vocab_size"]) if names else None
