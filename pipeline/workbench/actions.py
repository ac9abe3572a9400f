"""What an action does to one picture's entry in data/tag_edits.yaml. Pure, but for the captions that it asks.

An action acts only on captions that it changes, and an entry that comes to nothing vanishes: a hat added and
removed again leaves no trace.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from pipeline.captions.edits import Edit
from pipeline.captions.finished import Caption
from pipeline.captions.patterns import Patterns
from pipeline.captions.text import same, spaced
from pipeline.texts.separators import Separators

ActionKind = Literal["add", "remove", "replace", "set", "reset"]


@dataclass(frozen=True)
class TagAction:
    """`tags`: what is added or removed (patterns allowed), or the tag that `new` replaces; `text`: a whole
    caption.
    """

    kind: ActionKind
    tags: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class EntryOf:
    """One picture: its own entry, its caption under all edits, and the caption under another own entry."""

    edit: Edit
    caption: Caption
    under: Callable[[Edit], Caption]
    separators: Separators

    def has(self, patterns: Patterns) -> bool:
        return any(patterns.find(tag) for tag in self.caption.kept)


def entry_after(action: TagAction, entry: EntryOf) -> Edit | None:
    """The picture's new entry; None for none, the same for no change."""
    if action.kind == "reset":
        return None
    made = {"add": _added, "remove": _removed, "replace": _replaced, "set": _set}[action.kind](action, entry)
    changes = made.add or made.remove or made.replace or made.captions or made.set is not None
    return made if changes else None


def _added(action: TagAction, entry: EntryOf) -> Edit:
    edit = entry.edit
    have = {same(tag) for tag in entry.caption.kept}
    missing = [spaced(tag) for tag in action.tags if same(spaced(tag)) not in have]
    if not missing:
        return edit
    if edit.set is not None:
        return replace(edit, set=_joined([*entry.separators.names(edit.set), *missing], entry))
    names = {same(tag) for tag in missing}
    freed = replace(edit, remove=tuple(tag for tag in edit.remove if same(spaced(tag)) not in names))
    kept = {same(tag) for tag in entry.under(freed).kept} if freed != edit else have
    still = [tag for tag in missing if same(tag) not in kept]
    return replace(freed, add=_distinct([*freed.add, *still]))


def _removed(action: TagAction, entry: EntryOf) -> Edit:
    edit, patterns = entry.edit, patterns_of(action.tags)
    if not entry.has(patterns):
        return edit
    if edit.set is not None:
        left = [tag for tag in entry.separators.names(edit.set) if not patterns.find(spaced(tag))]
        return replace(edit, set=_joined(left, entry))
    freed = replace(
        edit,
        add=_without(edit.add, patterns),
        replace={old: _without(new, patterns) for old, new in edit.replace.items()},
    )
    kept = entry.under(freed).kept if freed != edit else entry.caption.kept
    needed = [tag for tag in action.tags if any(patterns_of((tag,)).find(each) for each in kept)]
    return replace(freed, remove=_distinct([*freed.remove, *needed]))


def _replaced(action: TagAction, entry: EntryOf) -> Edit:
    edit, (old, *_) = entry.edit, action.tags
    name, new = same(spaced(old)), tuple(map(spaced, action.new))
    if name not in {same(tag) for tag in entry.caption.kept}:
        return edit
    if edit.set is not None:
        return replace(edit, set=_joined(_exchanged(entry.separators.names(edit.set), name, new), entry))
    add = tuple(_exchanged(edit.add, name, new))
    values = {key: tuple(_exchanged(tags, name, new)) for key, tags in edit.replace.items()}
    moved = replace(edit, add=add, replace=values)
    if moved != edit and name not in {same(tag) for tag in entry.under(moved).kept}:
        return moved
    return replace(moved, replace={**values, spaced(old): new})


def _set(action: TagAction, entry: EntryOf) -> Edit:
    same_text = action.text == entry.caption.text
    return entry.edit if same_text else _whole(entry.edit, action.text)


def _whole(edit: Edit, text: str) -> Edit:
    return Edit(edit.target, set=text, captions=edit.captions)


@lru_cache(maxsize=64)
def patterns_of(tags: tuple[str, ...]) -> Patterns:
    """Made once for all pictures."""
    return Patterns(tags)


def _without(tags: Iterable[str], patterns: Patterns) -> tuple[str, ...]:
    return tuple(tag for tag in tags if not patterns.find(spaced(tag)))


def _exchanged(tags: Iterable[str], name: str, new: Sequence[str]) -> list[str]:
    return [each for tag in tags for each in (new if same(spaced(tag)) == name else (tag,))]


def _joined(tags: Iterable[str], entry: EntryOf) -> str:
    return entry.separators.joiner.join(tags)


def _distinct(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple({same(spaced(tag)): tag for tag in tags}.values())
