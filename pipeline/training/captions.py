"""A caption as one step shows it: picks an alternative, draws wildcards, shuffles and drops tags, fills a
prompt template, or drops the whole caption. Pure.

The rules and their order are those of kohya-ss/sd-scripts library/train_util.py (process_caption). Every
alternative gets the prefix and suffix; tags are joined by the separator that splits them.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from pipeline.captions.templates import fill
from pipeline.captions.wildcards import drawn, longest
from pipeline.schemas import TrainConfig
from pipeline.texts.lines import alternatives
from pipeline.texts.separators import END, FRONT, TagPiece, separators_of


def shown_caption(
    caption: str,
    config: TrainConfig,
    random: Random,
    templates: Sequence[str] = (),
    name: str = "",
    epoch: int = 0,
) -> str:
    """The caption of one step. Empty with probability `caption_dropout`, and in every
    `caption_dropout_every_epochs`-th epoch (`epoch` counts from 0). Else tags after the kept ones are
    shuffled, and each is dropped with probability `tag_dropout`. With a `name` the caption fills one of
    `templates`, drawn in each step (in A1111 a picture keeps its first).
    """
    if is_dropped(config, random, epoch):
        return ""
    return varied_caption(caption, config, random, templates, name)


def is_dropped(config: TrainConfig, random: Random, epoch: int) -> bool:
    """Whether a step drops the whole caption."""
    every = config.caption_dropout_every_epochs
    return random.random() < config.caption_dropout or bool(every and (epoch + 1) % every == 0)


def varied_caption(
    caption: str, config: TrainConfig, random: Random, templates: Sequence[str] = (), name: str = ""
) -> str:
    """A caption that is not dropped."""
    lines = alternatives(caption)
    caption = framed(random.choice(lines) if len(lines) > 1 else lines[0], config)
    if config.wildcards:
        caption = drawn(caption, random.choice)
    caption = arranged(caption, config, random)
    return fill(random.choice(templates), name, caption) if templates and name else caption


def plain_caption(caption: str, config: TrainConfig) -> str:
    """The caption without chance: the first alternative, each wildcard's first word, all tags in order."""
    caption = framed(alternatives(caption)[0], config)
    if config.wildcards:
        caption = drawn(caption, lambda words: words[0])
    return arranged(caption, as_written(config), Random(0))


def as_written(config: TrainConfig) -> TrainConfig:
    """The settings for captions whose parts keep their order and are never dropped."""
    return config.model_copy(update={"shuffle_tags": False, "tag_dropout": 0.0})


def longest_captions(caption: str, config: TrainConfig) -> list[str]:
    """Each alternative in its longest possible form."""
    framed_lines = [framed(line, config) for line in alternatives(caption)]
    return [longest(line) for line in framed_lines] if config.wildcards else framed_lines


def framed(caption: str, config: TrainConfig) -> str:
    """With prefix and suffix."""
    return " ".join(filter(None, [config.caption_prefix, caption, config.caption_suffix]))


def arranged(caption: str, config: TrainConfig, random: Random) -> str:
    """Tags in this step's order, without marks."""
    separators, mark = separators_of(config), config.keep_tokens_separator
    if config.shuffle_tags or config.tag_dropout or (mark and mark in caption):
        pieces = [replace(piece, section=None) for piece in _ordered(caption, config, random)]
        caption = separators.join(pieces)
    return separators.ungrouped(caption)


def _ordered(caption: str, config: TrainConfig, random: Random) -> list[TagPiece]:
    head, free, tail = _split(caption, config)
    if config.shuffle_tags:
        random.shuffle(free)
    if config.tag_dropout:
        free = [tag for tag in free if random.random() >= config.tag_dropout]
    return head + free + tail


def _split(caption: str, config: TrainConfig) -> tuple[list[TagPiece], list[TagPiece], list[TagPiece]]:
    """Tags fixed in front, tags to shuffle or drop, tags fixed at the end."""
    tags = separators_of(config).whole_pieces(caption)
    if not config.keep_tokens_separator or config.keep_tokens_separator not in caption:
        return tags[: config.keep_tokens], tags[config.keep_tokens :], []
    head = [tag for tag in tags if tag.section == FRONT]
    tail = [tag for tag in tags if tag.section == END]
    return head, [tag for tag in tags if tag.section not in (FRONT, END)], tail
