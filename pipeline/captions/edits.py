"""Manual edits: data/tag_edits.yaml changes a picture's caption after all rules.

    <picture id, or a pattern of ids with * and ?>:
      add: [tags]             after the others
      remove: [tags]          `*` and `?` allowed
      replace: {tag: other}   or {tag: [several, others]}, in its place
      set: the whole caption  verbatim
      captions: {kind: text}  one of another kind (`sentence`), verbatim; the last entry that names it wins

Several entries may name one picture: they apply in the file's order, and within an entry in the order
`replace`, `remove`, `add`. An entry named by a picture's id applies to that picture only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from pipeline.captions.parts import DROPPABLE, CaptionPart, distinct_parts
from pipeline.captions.patterns import Patterns
from pipeline.captions.tags import Dropped
from pipeline.captions.text import same, spaced
from pipeline.pictures.by_hand import glob
from pipeline.texts.separators import COMMAS, Separators


@dataclass(frozen=True)
class Edit:
    """An entry of the file; `target` is its name there."""

    target: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    replace: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    set: str | None = None
    captions: Mapping[str, str] = field(default_factory=dict)
    """Texts by kind."""

    @property
    def rule(self) -> str:
        return f"edit {self.target}"


class EditsOf:
    """Each picture's edits in the file's order; `ids`: of all pictures, read once."""

    def __init__(self, edits: Sequence[Edit], ids: Iterable[str]) -> None:
        self.edits = edits
        own = {edit.target for edit in edits}.intersection(ids) if edits else set()
        self.exact: dict[str, list[int]] = {}
        self.patterns: list[int] = []
        for number, edit in enumerate(edits):
            (self.exact.setdefault(edit.target, []) if edit.target in own else self.patterns).append(number)

    def __call__(self, picture_id: str) -> list[Edit]:
        matching = [n for n in self.patterns if glob(self.edits[n].target).fullmatch(picture_id)]
        return [self.edits[number] for number in sorted([*self.exact.get(picture_id, []), *matching])]


def edited(
    parts: Sequence[CaptionPart], edit: Edit, separators: Separators = COMMAS
) -> tuple[list[CaptionPart], list[Dropped]]:
    """The caption's parts after the edit, and the parts that it removed."""
    if edit.set is not None:
        texts = edit.set.split(separators.joiner) if edit.set else []
        whole = [CaptionPart(text, "verbatim", edit.rule) for text in texts]
        return whole, [_dropped(part, edit) for part in parts]
    added = _names(edit.add, separators)
    replacements = {same(spaced(old)): _names(new, separators) for old, new in edit.replace.items()}
    removed = Patterns(edit.remove)
    left, gone = list[CaptionPart](), list[Dropped]()
    for part in parts:
        if (new := replacements.get(same(part.text))) is not None:
            left += [_by_hand(tag, edit) for tag in new]
            gone.append(_dropped(part, edit))
        else:
            left.append(part)
    gone += [_dropped(part, edit) for part in left if removed.find(part.text)]
    left = [part for part in left if not removed.find(part.text)]
    whole = distinct_parts([*left, *(_by_hand(tag, edit) for tag in added)])
    asked = {same(spaced(tag)) for tag in (*added, *chain.from_iterable(replacements.values()))}
    return [_protected(part) if same(part.text) in asked else part for part in whole], gone


def _names(tags: Sequence[str], separators: Separators) -> list[str]:
    """`smile, hat` in one pair of quotes are two tags."""
    return [name for tag in tags for name in separators.names(tag)]


def _by_hand(tag: str, edit: Edit) -> CaptionPart:
    return CaptionPart(spaced(tag), "hand", edit.rule)


def _protected(part: CaptionPart) -> CaptionPart:
    """An existing part that the edit adds: no limit drops it."""
    return replace(part, kind="hand") if part.kind in DROPPABLE else part


def _dropped(part: CaptionPart, edit: Edit) -> Dropped:
    return Dropped(part.text, edit.rule, part.score)
