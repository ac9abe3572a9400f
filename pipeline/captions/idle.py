"""What a person asked for and what changes nothing: nearly always a slip of the pen, so it is told."""

from collections.abc import Mapping, Sequence

from pipeline.captions.caption import Caption
from pipeline.captions.edits import Edit
from pipeline.captions.patterns import Patterns
from pipeline.captions.text import spaced
from pipeline.config.schemas import FilterTags
from pipeline.errors import near
from pipeline.pictures.by_hand import named


def idle_edits(edits: Sequence[Edit], captions: Mapping[str, Caption]) -> list[str]:
    """Sentences on edits that name no picture, or take away what no picture has."""
    told = []
    for edit in edits:
        pictures = named(edit.target, captions)
        if not pictures:
            told.append(f"{edit.target}: no picture has this id{near(edit.target, captions)}")
            continue
        gone = [drop.tag for key in pictures for drop in captions[key].dropped if drop.rule == edit.rule]
        told += [
            f"{edit.target}: no caption has {wanted!r}, nothing is taken away; correct or delete it"
            for wanted in (*edit.remove, *edit.replace)
            if not any(Patterns([wanted]).find(tag) for tag in gone)
        ]
    return told


def idle_patterns(config: FilterTags, captions: Mapping[str, Caption]) -> list[str]:
    """Sentences on `blacklist` and `replace`, where an entry names no tag of any picture."""
    rules = {drop.rule for caption in captions.values() for drop in caption.dropped}
    rules |= {added.rule for caption in captions.values() for added in caption.added}
    tags = {drop.tag for caption in captions.values() for drop in caption.dropped}
    tags |= {tag for caption in captions.values() for tag in caption.kept}
    told = []
    for key, patterns in (("blacklist", config.blacklist), ("replace", list(config.replace))):
        if idle := [pattern for pattern in patterns if f"{key} {pattern}" not in rules]:
            names = ", ".join(f"{pattern!r}{near(spaced(pattern), tags)}" for pattern in idle)
            told.append(
                f"filter_tags.{key} names tags that no picture has, or that another entry names: {names}"
            )
    return told
