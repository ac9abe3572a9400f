"""From scores to a caption: a pure function, and the reason for each tag that was dropped."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pipeline.config.schemas import FilterTags

KAOMOJI = frozenset(
    [
        "0_0",
        "(o)_(o)",
        "+_+",
        "+_-",
        "._.",
        "<o>_<o>",
        "<|>_<|>",
        "=_=",
        ">_<",
        "3_3",
        "6_9",
        ">_o",
        "@_@",
        "^_^",
        "o_o",
        "u_u",
        "x_x",
        "|_|",
        "||_||",
    ]
)
"""Tags whose underscore belongs to a face."""
SEPARATOR = ", "


@dataclass(frozen=True)
class Caption:
    """The caption's text, the tags in it, and each dropped tag with the rule that dropped it."""

    text: str
    kept: tuple[str, ...]
    dropped: tuple[tuple[str, str], ...]


def spaced(tag: str) -> str:
    """`long_hair` -> `long hair`; kaomoji keep their underscore."""
    return tag if tag in KAOMOJI else tag.replace("_", " ")


def write_caption(
    scores: Mapping[str, Mapping[str, float]], existing: str | None, config: FilterTags
) -> Caption:
    """The caption of one picture: trigger, then the caption that came along, then tags by falling score.

    Tags are general and character tags of at least `threshold`, less the blacklist; ties go to the alphabet.
    """
    seen = {
        spaced(tag): score
        for category in ("character", "general")
        for tag, score in scores.get(category, {}).items()
    }
    ordered = sorted(
        (tag for tag in seen if seen[tag] >= config.threshold), key=lambda tag: (-seen[tag], tag)
    )
    listed = {tag: pattern for tag in ordered if (pattern := _listing(tag, config.blacklist)) is not None}
    dropped = [(tag, f"blacklist {pattern}") for tag, pattern in listed.items()]
    kept = [tag for tag in ordered if tag not in listed]
    if existing is not None and config.existing_caption != "ignore":
        words = [part.strip() for part in existing.split(",") if part.strip()]
        rest = [] if config.existing_caption == "replace" else [tag for tag in kept if tag not in words]
        dropped += [(tag, "caption came along") for tag in kept if tag not in rest and tag not in words]
        kept = words + rest
    if config.trigger:
        kept = [config.trigger, *(tag for tag in kept if tag != config.trigger)]
    dropped += [(tag, f"max_tags {config.max_tags}") for tag in kept[config.max_tags :]]
    kept = kept[: config.max_tags]
    return Caption(SEPARATOR.join(kept), tuple(kept), tuple(sorted(dropped)))


def _listing(tag: str, blacklist: list[str]) -> str | None:
    """The first blacklist entry that names the tag; `*` and `?` are wildcards, underscores and spaces are
    one.
    """
    return next((pattern for pattern in blacklist if fnmatchcase(tag, spaced(pattern))), None)
