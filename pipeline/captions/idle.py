"""Reports settings and edits that change nothing: nearly always a typo."""

from collections.abc import Collection, Iterable, Sequence

from pipeline.captions.edits import Edit
from pipeline.captions.finished import Caption
from pipeline.captions.own import OwnCaptions
from pipeline.captions.patterns import Patterns
from pipeline.captions.text import spaced
from pipeline.errors import near
from pipeline.pictures.by_hand import named
from pipeline.schemas import FilterTagsConfig


class Effects:
    """What the rules and edits did, gathered caption by caption."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self.edits = edits
        self.unnamed = {edit.target for edit in edits}
        """Names that have matched no picture so far."""
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


def unused_edits(effects: Effects, ids: Iterable[str], left_out: Collection[str] = ()) -> list[str]:
    """Sentences about edits that name no picture, or remove what no picture has; `ids`: of all pictures.
    Edits of pictures that are `left_out` wait.
    """
    sentences, known = list[str](), list(ids) if effects.unnamed else []
    for edit in effects.edits:
        if edit.target in effects.unnamed and named(edit.target, left_out):
            continue
        if edit.target in effects.unnamed:
            sentences.append(f"{edit.target}: no picture has this id{near(edit.target, known)}")
            continue
        gone = effects.dropped.get(edit.rule, ())
        sentences += [
            f"{edit.target}: no caption has {tag!r}, so nothing is removed; correct or delete it"
            for tag in (*edit.remove, *edit.replace)
            if not any(Patterns([tag]).find(dropped) for dropped in gone)
        ]
    return sentences


def odd_kinds(edits: Iterable[Edit], written: Collection[str]) -> list[str]:
    """Sentences about texts of kinds that the captioner does not write, which training shows to no other
    picture.
    """
    return [
        f"{edit.target}: captions.{kind} is of a kind that no other picture has{near(kind, written)}"
        for edit in edits
        for kind in edit.captions
        if kind not in written
    ]


def unused_patterns(config: FilterTagsConfig, effects: Effects) -> list[str]:
    """Sentences about entries of `blacklist` and `replace` that match no picture's tags."""
    rules = effects.dropped.keys() | effects.added_by
    tags = effects.kept.union(*effects.dropped.values())
    sentences = []
    for key, patterns in (("blacklist", config.blacklist), ("replace", list(config.replace))):
        if idle := [pattern for pattern in patterns if f"{key} {pattern}" not in rules]:
            names = ", ".join(f"{pattern!r}{near(spaced(pattern), tags)}" for pattern in idle)
            sentences.append(
                f"filter_tags.{key} names tags that no picture has, or that another entry already names:"
                f" {names}"
            )
    return sentences
