"""A base without weights."""

from typing import Any

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from pipeline.bases.base import Base
from pipeline.bases.family import Configs, Family
from pipeline.bases.stated import checked_configs
from pipeline.bases.tokenizers import insist_on_known_tokens, make_tokenizer
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage

for quiet in (diffusers_logging, transformers_logging):
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()


def outline(made: Family, own: dict[str, Any], origin: str, usual: Configs | None = None) -> Base:
    """A base without weights, on the meta device. `own`: what a header states (`stated`); without it, the
    configurations `usual` are used, which follow from its tensors' shapes, or the published ones. `origin`
    names the file in errors.
    """
    usual = usual or made.whole_configs
    configs = own.get("configs") or usual
    # A tool may have added such a part, or left it out.
    optional = {part.name: {**usual, **configs}[part.name] for part in made.parts
                if part.is_optional and part.name in usual}  # fmt: skip
    configs = {name: config for name, config in configs.items() if name in made.whole_configs} | optional
    if absent := [name for name in made.whole_configs if name not in configs]:
        raise UserError(
            f"{origin}: its configs lack {', '.join(absent)}; the file is damaged: fetch it again"
        )
    checked_configs(configs, f"{origin}: by its header or the shapes of its tensors")
    with reporting_damage(f"{origin}: no {made.facts.title} can be built from its configs"):
        parts = {part.name: part.outline(configs[part.name]) for part in made.parts if part.name in configs}
    insist_on_fit(made, configs, origin)
    tokenizer = make_tokenizer(own.get("tokenizer"), origin)
    insist_on_known_tokens(tokenizer, configs["text_encoder"]["vocab_size"], origin)
    return Base(made, tokenizer, parts, configs)


def insist_on_fit(made: Family, configs: Configs, origin: str) -> None:
    """Raises UserError for parts that do not fit each other, as a text encoder of another width."""
    cure = "put the part that belongs to it there, or choose another base"
    if problems := made.misfits(configs):
        raise UserError(*(f"{origin}: {problem}; {cure}" for problem in problems))
