"""How a caption is shown in one step: shuffled, thinned out, put into a prompt template, or dropped. Pure.

The rules, and their order, are those of kohya-ss/sd-scripts library/train_util.py (process_caption).
"""

from collections.abc import Sequence
from random import Random

from pipeline.captions.templates import fill
from pipeline.config.schemas import Train


def shown_caption(
    caption: str,
    config: Train,
    random: Random,
    templates: Sequence[str] = (),
    name: str = "",
    epoch: int = 0,
) -> str:
    """The caption as this step shows it: nothing in `caption_dropout` of the cases and in every
    `caption_dropout_every_epochs`-th epoch (`epoch` counts from 0), else its tags after those that are kept
    shuffled, each left out in `tag_dropout` of the cases. With a `name` it fills one of `templates`, another
    in each step (in A1111 a picture keeps its first).
    """
    every = config.caption_dropout_every_epochs
    if random.random() < config.caption_dropout or (every and (epoch + 1) % every == 0):
        return ""
    mark = config.keep_tokens_separator
    if config.shuffle_tags or config.tag_dropout or (mark and mark in caption):
        caption = ", ".join(_arranged(caption, config, random))
    if config.secondary_separator:
        caption = caption.replace(config.secondary_separator, config.caption_separator)
    return fill(random.choice(templates), name, caption) if templates and name else caption


def _arranged(caption: str, config: Train, random: Random) -> list[str]:
    """The tags in the order of this step."""
    head, free, tail = _split(caption, config)
    if config.shuffle_tags:
        random.shuffle(free)
    if config.tag_dropout:
        free = [tag for tag in free if random.random() >= config.tag_dropout]
    return head + free + tail


def _split(caption: str, config: Train) -> tuple[list[str], list[str], list[str]]:
    """Tags that stay in front, tags that may move or go, tags that stay at the end."""
    mark = config.keep_tokens_separator
    if mark and mark in caption:
        head, free, *tail = (_tags(part, config) for part in caption.split(mark, 2))
        return head, free, tail[0] if tail else []
    tags = _tags(caption, config)
    return tags[: config.keep_tokens], tags[config.keep_tokens :], []


def _tags(text: str, config: Train) -> list[str]:
    return [tag.strip() for tag in text.split(config.caption_separator) if tag.strip()]
