"""Counts what filter-tags did to existing captions: a person's words must not disappear silently."""

from collections import Counter
from typing import Any

from pipeline.captions.finished import Caption
from pipeline.captions.tags import family


class OwnCaptions:
    """Counts, caption by caption."""

    def __init__(self) -> None:
        self.texts = self.lists = self.changed = self.too_long = self.spared = 0
        self.lost_by = Counter[str]()
        """Removed tags and clauses, by rule."""

    def add(self, caption: Caption) -> None:
        for own in caption.own:
            self.texts += own.is_text
            self.lists += not own.is_text
            self.changed += bool(own.lost)
            self.too_long += own.is_too_long
            self.spared += len(own.spared)
            self.lost_by.update(family(drop.rule) for drop in own.lost)

    def summary(self) -> dict[str, Any]:
        """For metrics/filter_tags.json; empty without existing captions."""
        if not self.texts + self.lists:
            return {}
        counts = {"texts": self.texts, "tag_lists": self.lists, "changed": self.changed}
        return {"own": {**counts, "too_long": self.too_long, "lost_by": dict(self.lost_by)}}

    def notes(self, max_tokens: int | None) -> list[str]:
        """Sentences for the terminal."""
        if not (whole := self.texts + self.lists):
            return []
        notes = [
            f"own captions: {whole} ({self.texts} read as sentences, {self.lists} as lists of tags);"
            f" {self.changed or 'none'} changed{self._lost()}"
        ]
        if self.spared:
            notes.append(
                f"own captions: {self.spared} of their tags describe the character and stay, since a person"
                " wrote them; filter_tags.filter_existing: true removes them"
            )
        if self.too_long:
            notes.append(
                f"own captions: {self.too_long} are longer than filter_tags.max_tokens {max_tokens} and are"
                " not cut; raise it and train.max_tokens, or shorten them"
            )
        return notes

    def _lost(self) -> str:
        rules = ", ".join(f"{rule} {number}" for rule, number in sorted(self.lost_by.items()))
        return f": {self.lost_by.total()} tags or clauses removed ({rules})" if rules else ""
