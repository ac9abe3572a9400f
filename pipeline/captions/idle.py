"""What a person asked for and what changes nothing: nearly always a slip of the pen, so it is told."""

from collections.abc import Iterable, Sequence

from pipeline.captions.edits import Edit
from pipeline.captions.finished import Caption
from pipeline.captions.own import OwnCaptions
from pipeline.captions.patterns import Patterns
from pipeline.captions.text import spaced
from pipeline.config.schemas import FilterTags
from pipeline.errors import near
from pipeline.pictures.by_hand import named


class Effects:
    """What the rules and edits did, gathered caption by caption."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self.edits = edits
        self.unnamed = {edit.target for edit in edits}
        """Names for which no picture has come yet."""
        self.dropped: dict[str, set[str]] = {}
        """Tags by the rule that dropped them."""
        self.kept, self.added_by = set[str](), set[str]()
        self.own = OwnCaptions()

    def add(self, picture_id: str, caption: Caption) -> None:
        self.unnamed -= {name for name in self.unnamed if named(name, [picture_id])}
        self.own.add(caption)
        self.kept.update(caption.kept)
        self.added_by.update(added.rule for added in caption.added)
        for drop in caption.dropped:
            self.dropped.setdefault(drop.rule, set()).add(drop.tag)


def idle_edits(effects: Effects, ids: Iterable[str]) -> list[str]:
    """Sentences on edits that name no picture, or take away what no picture has; `ids` of all pictures."""
    told, known = list[str](), list(ids) if effects.unnamed else []
    for edit in effects.edits:
        if edit.target in effects.unnamed:
            told.append(f"{edit.target}: no picture has this id{near(edit.target, known)}")
            continue
        gone = effects.dropped.get(edit.rule, ())
        told += [
            f"{edit.target}: no caption has {wanted!r}, nothing is taken away; correct or delete it"
            for wanted in (*edit.remove, *edit.replace)
            if not any(Patterns([wanted]).find(tag) for tag in gone)
        ]
    return told


def idle_patterns(config: FilterTags, effects: Effects) -> list[str]:
    """Sentences on `blacklist` and `replace`, where an entry names no tag of any picture."""
    rules = effects.dropped.keys() | effects.added_by
    tags = effects.kept.union(*effects.dropped.values())
    told = []
    for key, patterns in (("blacklist", config.blacklist), ("replace", list(config.replace))):
        if idle := [pattern for pattern in patterns if f"{key} {pattern}" not in rules]:
            names = ", ".join(f"{pattern!r}{near(spaced(pattern), tags)}" for pattern in idle)
            told.append(
                f"filter_tags.{key} names tags that no picture has, or that another entry names: {names}"
            )
    return told
