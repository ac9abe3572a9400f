"""Scores to captions: a pure function of all pictures' rows, the settings and the manual edits.

The rules, in order: select the seen tags, `replace`, captions that replace tags, `blacklist`, identity tags
(not for class pictures), tags implied by finer ones, order, trigger first, the existing caption and the
sentence in their places, manual edits, `max_tags`, `max_tokens`, escapes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pipeline.captions.budget import within
from pipeline.captions.clauses import clauses
from pipeline.captions.edits import Edit, EditsOf, edited
from pipeline.captions.finished import Caption, Own, sorted_drops, together
from pipeline.captions.identity import WHO_IT_IS, Identity, Occurrences
from pipeline.captions.implications import superfluous
from pipeline.captions.kinds import finished_kinds
from pipeline.captions.ordering import ordered
from pipeline.captions.parts import (
    CaptionPart,
    additions,
    at_most,
    distinct_parts,
    of_tag,
    render,
    within_budget,
)
from pipeline.captions.patterns import Patterns
from pipeline.captions.seen import CAME_ALONG, Replacements, TagsRow, along, is_text, seen_tags
from pipeline.captions.tags import Dropped, Tag, sift
from pipeline.captions.text import same
from pipeline.errors import UserError, nearest
from pipeline.schemas import FilterTagsConfig
from pipeline.texts.lines import alternatives
from pipeline.texts.separators import FRONT, separators_of

SENTENCE = "sentence"


class CaptionWriter:
    """Writes the captions of `rows`. Reads the rows twice and never keeps them in memory: the first pass
    counts over all of them, the second writes each caption on demand.

    Raises UserError if a mapping of triggers names an unknown concept.
    """

    def __init__(self, rows: Iterable[TagsRow], config: FilterTagsConfig) -> None:
        self.config = config
        self.rows = rows
        self.replacements, self.separators = Replacements(config), separators_of(config)
        self.kinds = set[str]()
        """Kinds of caption that the captioner wrote."""
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

    def caption(self, row: TagsRow, edits: Sequence[Edit]) -> Caption:
        """One picture's caption, a line for each existing one; `edits`: those that name the picture."""
        came = alternatives(row["caption"]) if self.config.existing_caption != "ignore" else [None]
        rows = [{**row, "caption": text} for text in came] if len(came) > 1 else [row]
        captions = {kind: text for edit in edits for kind, text in edit.captions.items()}
        kinds = finished_kinds(row, self._trigger(row), captions, self.config)
        made = together([self._one(each, edits) for each in rows])
        return replace(made, kinds=kinds) if kinds else made

    def _one(self, row: TagsRow, edits: Sequence[Edit]) -> Caption:
        parts, dropped = self._by_rules(row)
        own = [part for part in parts if part.origin == CAME_ALONG]
        for edit in edits:
            parts, gone = edited(parts, edit, self.separators)
            dropped += gone
        parts, over = at_most(parts, self.config.max_tags)
        parts, cut = within_budget(parts, self.config)
        kept = tuple(part.text for part in parts)
        gone = [drop for drop in (*dropped, *over, *cut) if drop.tag not in kept]
        text = render(parts, self.config)
        return Caption(
            text=text,
            trigger=self._trigger(row),
            kept=kept,
            dropped=tuple(sorted_drops(gone)),
            added=tuple(additions(parts)),
            own=self._own(row, own, gone, text),
        )

    def _own(
        self, row: TagsRow, own: Sequence[CaptionPart], gone: Sequence[Dropped], text: str
    ) -> tuple[Own, ...]:
        """What became of the existing caption, if there is one; `own`: its parts that the rules kept."""
        if not row["caption"] or self.config.existing_caption == "ignore":
            return ()
        theirs = is_text(row["caption"], self.config)
        raw = {same(part.text) for part in own} | {same(name) for name in self._raw_names(row)}
        lost = [drop for drop in gone if same(drop.tag) in raw and not drop.rule.startswith("edit ")]
        occurrences = self.occurrences[row["concept"]]
        spared = [
            part.text
            for part in own
            if part.fixed and part.kind == "tag" and not row["is_class"]
            if self.identity.reason(part.text, occurrences)
        ]
        return (Own(theirs, tuple(lost), tuple(spared), not within(text, self.config.max_tokens)),)

    def _raw_names(self, row: TagsRow) -> list[str]:
        """The existing caption's tags, before any rule."""
        if is_text(row["caption"], self.config):
            return []
        return [tag.name for tag in along(row, self.config)]

    def _by_rules(self, row: TagsRow) -> tuple[list[CaptionPart], list[Dropped]]:
        """The caption's parts before edits and limits."""
        tags, unseen = seen_tags(row, self.config, self.replacements)
        dropped = list(unseen)
        for rule in (self._replaced_by_text, self._blacklisted, self._identifying, self._implied):
            tags, gone = rule(row, tags)
            dropped += gone
        return self._parts(row, tags), dropped

    def _replaced_by_text(self, row: TagsRow, tags: list[Tag]) -> tuple[list[Tag], list[Dropped]]:
        by = [
            origin
            for origin, text, place in (
                (CAME_ALONG, row["caption"], self.config.existing_caption),
                (SENTENCE, self._sentence(row), self.config.sentence),
            )
            if text is not None and place == "replace"
        ]
        return sift(tags, lambda tag: by[0] if by and tag.score is not None else None)

    def _blacklisted(self, _: TagsRow, tags: list[Tag]) -> tuple[list[Tag], list[Dropped]]:
        matches = {tag.name: self.blacklist.find(tag.name) for tag in tags}
        return sift(tags, lambda tag: f"blacklist {matches[tag.name]}" if matches[tag.name] else None)

    def _identifying(self, row: TagsRow, tags: list[Tag]) -> tuple[list[Tag], list[Dropped]]:
        if row["is_class"]:
            return tags, []
        occurrences = self.occurrences[row["concept"]]
        return sift(
            tags,
            lambda tag: (
                self.identity.reason(tag.name, occurrences)
                if tag.category in WHO_IT_IS and not self._stays(tag)
                else None
            ),
        )

    def _implied(self, _: TagsRow, tags: list[Tag]) -> tuple[list[Tag], list[Dropped]]:
        if not self.config.implications:
            return tags, []
        finer = superfluous(tag.name for tag in tags)
        kept, gone = sift(
            tags,
            lambda tag: (
                f"implied by {finer[tag.name]}" if tag.name in finer and not self._stays(tag) else None
            ),
        )
        return [_with_implied_score(tag, finer, gone) for tag in kept], gone

    def _stays(self, tag: Tag) -> bool:
        """Whether a person wrote the tag: then only `replace` and `blacklist` may change it."""
        return tag.score is None and not self.config.filter_existing

    def _parts(self, row: TagsRow, tags: Sequence[Tag]) -> list[CaptionPart]:
        """Trigger, texts and tags in their places."""
        trigger = self._trigger(row)
        came = self._came_along(row, tags, trigger)
        sentence = clauses((self._sentence(row) or "").rstrip(". "), SENTENCE, trigger, self.separators)
        texts = [(self.config.sentence, sentence), (self.config.existing_caption, came)]
        before = [part for place, some in texts if place in ("prepend", "replace") for part in some]
        after = [part for place, some in reversed(texts) if place == "append" for part in some]
        rest = ordered([tag for tag in tags if tag.score is not None], self.config, self.frequency)
        section = FRONT if any(part.section is not None for part in came) else None
        first = [CaptionPart(trigger, "trigger", "trigger", section=section)] if trigger else []
        return distinct_parts([*first, *before, *map(of_tag, rest), *after])

    def _came_along(self, row: TagsRow, tags: Sequence[Tag], trigger: str | None) -> list[CaptionPart]:
        """Parts of the existing caption."""
        config, fixed = self.config, not self.config.filter_existing
        if row["caption"] and config.existing_caption != "ignore" and is_text(row["caption"], config):
            return clauses(row["caption"], CAME_ALONG, trigger, self.separators, fixed, config.escape)
        return [of_tag(tag, fixed) for tag in tags if tag.score is None]

    def _sentence(self, row: TagsRow) -> str | None:
        """BLIP's, or the captioner's of the chosen kind."""
        kind = self.config.sentence_kind
        text: str | None = row.get("sentence") if kind is None else row.get("captions", {}).get(kind)
        return text

    def _trigger(self, row: TagsRow) -> str | None:
        return None if row["is_class"] else self.triggers.get(row["concept"])

    def _counted(self) -> tuple[dict[str, Occurrences], Mapping[str, int]]:
        """How often each tag is seen: by concept, without class pictures, and in all pictures."""
        by_concept, everywhere = dict[str, Occurrences](), Occurrences()
        for row in self.rows:
            self.kinds.update(row.get("captions", ()))
            names = [tag.name for tag in seen_tags(row, self.config, self.replacements)[0]]
            everywhere.add(names)
            theirs = by_concept.setdefault(row["concept"], Occurrences())
            if not row["is_class"]:
                theirs.add(names)
        return by_concept, everywhere.counts


def _with_implied_score(tag: Tag, finer: Mapping[str, str], gone: Sequence[Dropped]) -> Tag:
    """The tag with the highest score of the tags that it implies."""
    scores = [drop.score or 0.0 for drop in gone if finer[drop.tag] == tag.name]
    return replace(tag, implied_score=max(scores)) if scores else tag


def triggers(config: FilterTagsConfig, concepts: Sequence[str]) -> dict[str, str]:
    """Each concept's trigger, if it has one."""
    if not isinstance(config.trigger, dict):
        return dict.fromkeys(concepts, config.trigger) if config.trigger else {}
    if unknown := [
        f"filter_tags.trigger: no picture is of the concept {name!r}; {nearest(name, concepts)}"
        for name in sorted(config.trigger.keys() - set(concepts))
    ]:
        raise UserError(*unknown)
    return config.trigger
