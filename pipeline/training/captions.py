"""How a caption is shown in one step: shuffled, put into a prompt template, or dropped. Pure."""

from collections.abc import Sequence
from random import Random

from pipeline.captions.templates import fill
from pipeline.config.schemas import Train


def shown_caption(
    caption: str, config: Train, random: Random, templates: Sequence[str] = (), name: str = ""
) -> str:
    """The caption with its tags after the first `keep_tokens` shuffled, or nothing in `caption_dropout` of
    the cases. With a `name` it fills one of `templates`, another in each step (in A1111 a picture keeps its
    first).
    """
    if random.random() < config.caption_dropout:
        return ""
    if config.shuffle_tags:
        tags = caption.split(", ")
        head, tail = tags[: config.keep_tokens], tags[config.keep_tokens :]
        random.shuffle(tail)
        caption = ", ".join(head + tail)
    return fill(random.choice(templates), name, caption) if templates and name else caption
