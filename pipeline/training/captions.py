"""How a caption is shown in one step: shuffled, or dropped. Pure."""

from random import Random

from pipeline.config.schemas import Train


def shown_caption(caption: str, config: Train, random: Random) -> str:
    """The caption with its tags after the first `keep_tokens` shuffled, or nothing in `caption_dropout` of
    the cases.
    """
    if random.random() < config.caption_dropout:
        return ""
    if not config.shuffle_tags:
        return caption
    tags = caption.split(", ")
    head, tail = tags[: config.keep_tokens], tags[config.keep_tokens :]
    random.shuffle(tail)
    return ", ".join(head + tail)
