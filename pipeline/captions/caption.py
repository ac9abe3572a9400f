"""From scores to captions: a pure function of all pictures' rows, the settings and the edits by hand.

The rules, in this order: what counts as seen (selection), `replace`, captions that replace tags,
`blacklist`, who it is (identity; not for class pictures), what finer tags say already (implications), order,
trigger first, the caption that came along and the sentence in their places, edits by hand, `max_tags`,
`max_tokens`, escapes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.captions.edits import Edit, EditsOf, edited
from pipeline.captions.identity import WHO_IT_IS, Identity, Occurrences
from pipeline.captions.implications import superfluous
from pipeline.captions.ordering import ordered
from pipeline.captions.parts import (
    Part,
    additions,
    at_most,
    distinct_parts,
    of_tag,
    render,
    within_budget,
)
from pipeline.captions.patterns import Patterns
from pipeline.captions.seen import CAME_ALONG, Replacements, Row, seen_tags
from pipeline.captions.tags import Added, Dropped, Tag, sift
from pipeline.captions.text import SEPARATOR, unescaped
from pipeline.config.schemas import FilterTags
from pipeline.errors import UserError, nearest

SENTENCE = "sentence"


@dataclass(frozen=True)
class Caption:
    """The caption's text, its parts in their order, each dropped tag with the rule, and which parts no score
    gave.
    """

    text: str
    trigger: str | None
    kept: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    added: tuple[Added, ...]


class Writer:
    """Writes captions of `rows`, which it goes through twice and never holds: what follows from all of them
    together is counted here, each caption is written when it is asked for.

    Raises UserError where a mapping of triggers names a concept that is not there.
    """

    def __init__(self, rows: Iterable[Row], config: FilterTags) -> None:
        self.config = config
        self.rows = rows
        self.replacements = Replacements(config)
        self.occurrences, self.frequency = self._counted()
        self.triggers = triggers(config, sorted(self.occurrences))
        self.blacklist = Patterns(config.blacklist)
        self.identity = Identity(config)

    def ids(self) -> Iterator[str]:
        return (row["id"] for row in self.rows)

    def captions(self, edits: Sequence[Edit] = ()) -> Iterator[tuple[str, Caption]]:
        """Every picture's id and caption, in the rows' order."""
        theirs = EditsOf(edits, self.ids())
        return ((row["id"], self.caption(row, theirs(row["id"]))) for row in self.rows)

    def caption(self, row: Row, edits: Sequence[Edit]) -> Caption:
        """One picture's caption; `edits` are those that name it."""
        parts, dropped = self._by_rules(row)
        for edit in edits:
            parts, gone = edited(parts, edit)
            dropped += gone
        parts, over = at_most(parts, self.config.max_tags)
        parts, cut = within_budget(parts, self.config)
        kept = tuple(part.text for part in parts)
        gone = [drop for drop in (*dropped, *over, *cut) if drop.tag not in kept]
        return Caption(
            text=render(parts, self.config),
            trigger=self._trigger(row),
            kept=kept,
            dropped=tuple(sorted(gone, key=lambda drop: (drop.tag, drop.rule))),
            added=tuple(additions(parts)),
        )

    def _by_rules(self, row: Row) -> tuple[list[Part], list[Dropped]]:
        """The caption's parts before edits and limits."""
        tags, found = seen_tags(row, self.config, self.replacements)
        dropped = list(found)
        for rule in (self._replaced_by_text, self._blacklisted, self._identifying, self._implied):
            tags, gone = rule(row, tags)
            dropped += gone
        return self._parts(row, tags), dropped

    def _replaced_by_text(self, row: Row, tags: list[Tag]) -> tuple[list[Tag], list[Dropped]]:
        by = [
            origin
            for origin, text, place in (
                (CAME_ALONG, row["caption"], self.config.existing_caption),
                (SENTENCE, row.get("sentence"), self.config.sentence),
            )
            if text is not None and place == "replace"
        ]
        return sift(tags, lambda tag: by[0] if by and tag.score is not None else None)

    def _blacklisted(self, _: Row, tags: list[Tag]) -> tuple[list[Tag], list[Dropped]]:
        found = {tag.name: self.blacklist.find(tag.name) for tag in tags}
        return sift(tags, lambda tag: f"blacklist {found[tag.name]}" if found[tag.name] else None)

    def _identifying(self, row: Row, tags: list[Tag]) -> tuple[list[Tag], list[Dropped]]:
        if row["is_class"]:
            return tags, []
        occurrences = self.occurrences[row["concept"]]
        return sift(
            tags,
            lambda tag: self.identity.reason(tag.name, occurrences) if tag.category in WHO_IT_IS else None,
        )

    def _implied(self, _: Row, tags: list[Tag]) -> tuple[list[Tag], list[Dropped]]:
        if not self.config.implications:
            return tags, []
        finer = superfluous(tag.name for tag in tags)
        kept, gone = sift(tags, lambda tag: f"implied by {finer[tag.name]}" if tag.name in finer else None)
        return [_standing(tag, finer, gone) for tag in kept], gone

    def _parts(self, row: Row, tags: Sequence[Tag]) -> list[Part]:
        """Trigger, texts and tags in their places."""
        trigger = self._trigger(row)
        along = [of_tag(tag) for tag in tags if tag.score is None]
        if self.config.existing_form == "text":
            along = clauses(row["caption"], CAME_ALONG, trigger)
        texts = [
            (self.config.sentence, clauses(row.get("sentence"), SENTENCE, trigger)),
            (self.config.existing_caption, along),
        ]
        before = [part for place, some in texts if place in ("prepend", "replace") for part in some]
        after = [part for place, some in reversed(texts) if place == "append" for part in some]
        rest = ordered([tag for tag in tags if tag.score is not None], self.config, self.frequency)
        first = [Part(trigger, "trigger", "trigger")] if trigger else []
        return distinct_parts([*first, *before, *map(of_tag, rest), *after])

    def _trigger(self, row: Row) -> str | None:
        return None if row["is_class"] else self.triggers.get(row["concept"])

    def _counted(self) -> tuple[dict[str, Occurrences], Mapping[str, int]]:
        """How often each tag is seen, by concept among its pictures without those of the class, and in
        all.
        """
        by_concept, everywhere = dict[str, Occurrences](), Occurrences()
        for row in self.rows:
            names = [tag.name for tag in seen_tags(row, self.config, self.replacements)[0]]
            everywhere.add(names)
            theirs = by_concept.setdefault(row["concept"], Occurrences())
            if not row["is_class"]:
                theirs.add(names)
        return by_concept, everywhere.counts


def _standing(tag: Tag, finer: Mapping[str, str], gone: Sequence[Dropped]) -> Tag:
    """The tag with the highest score of those that it makes superfluous."""
    scores = [drop.score or 0.0 for drop in gone if finer[drop.tag] == tag.name]
    return replace(tag, stands_for=max(scores)) if scores else tag


def triggers(config: FilterTags, concepts: Sequence[str]) -> dict[str, str]:
    """Each concept's trigger, where it has one."""
    if not isinstance(config.trigger, dict):
        return dict.fromkeys(concepts, config.trigger) if config.trigger else {}
    if unknown := [
        f"filter_tags.trigger: no picture is of the concept {name!r}; {nearest(name, concepts)}"
        for name in sorted(config.trigger.keys() - set(concepts))
    ]:
        raise UserError(*unknown)
    return config.trigger


def clauses(text: str | None, origin: str, trigger: str | None) -> list[Part]:
    """A text as parts between its commas, so that a limit takes the last ones; on one line, without the full
    stop, which would stand before a comma, and without the trigger that it begins with.
    """
    words = unescaped(" ".join((text or "").split())).rstrip(".,")
    if trigger and re.match(rf"{re.escape(trigger)}(?!\w)", words, re.IGNORECASE):
        words = words[len(trigger) :].lstrip(" ,")
    return [Part(clause, "text", origin) for clause in words.split(SEPARATOR) if clause]
