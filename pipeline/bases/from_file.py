"""A base from a single file in the original layout."""

from functools import partial
from pathlib import Path

import torch
from torch import nn

from pipeline.bases.base import Base, PartOrReader
from pipeline.bases.encoder_files import encoders_cure
from pipeline.bases.filling import filled, origins_there
from pipeline.bases.look import recognise
from pipeline.bases.outline import outline
from pipeline.bases.parts_there import bare_part
from pipeline.bases.registry import Recognised, recognised, titles, trained_family
from pipeline.bases.single_file import alone, outline_of
from pipeline.bases.stated import BASE_KEY, T5_TOKENIZER, stated
from pipeline.bases.stored_base import stored_base
from pipeline.bases.t5_loaded import t5_tokenizer_for, with_t5_wanted
from pipeline.errors import UserError
from pipeline.schemas import BaseConfig


def base_of_file(config: BaseConfig, trained_dtype: torch.dtype) -> Base:
    """Loads and checks; see `load_base`."""
    path, own_vae = Path(config.path), not config.vae
    header, origin = outline_of(path), f"base.path {path}"
    bare = bare_part(header.shapes)
    made = trained_family(Recognised(bare) if bare else recognised(header.shapes), origin)
    if part := alone(header.shapes, made.parts):
        raise UserError(f"{origin} is {part}; this pipeline trains {titles()}: {encoders_cure(made.facts)}")
    own = stated(header.metadata.get(BASE_KEY), origin)
    base = outline(made, own, origin, with_t5_wanted(made.configs_of(header.shapes), made, config))
    tokenizer = t5_tokenizer_for(base, config, own.get(T5_TOKENIZER), origin)

    def reads(part: str, module: nn.Module) -> PartOrReader:
        if part == "vae" and not own_vae:
            return module
        dtype = made.dtype_of(made.part(part), trained_dtype)
        return partial(filled, module, path, origins_there(base, part, path, header.shapes), dtype)

    parts = {name: reads(name, module) for name, module in base.loaded().items()}
    opens = lambda: stored_base(path).tensors  # noqa: E731
    whole = Base(base.family, base.tokenizer, parts, base.configs, opens, tokenizer)
    return _as_marked(whole, path)


def _as_marked(base: Base, path: Path) -> Base:
    """The base with the prediction that the file states; unchanged if it states none."""
    match = recognise(path)
    prediction = match.prediction if match else None
    if prediction is None or prediction.type is None:
        return base
    return base.predicting(prediction.type, prediction.zero_terminal_snr)
