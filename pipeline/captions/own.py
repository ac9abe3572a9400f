"""What filter-tags did to the captions that came along with the pictures, counted: a person's words should
not go without a word.
"""

from collections import Counter
from typing import Any

from pipeline.captions.finished import Caption
from pipeline.captions.tags import family


class OwnCaptions:
    """Counts, caption by caption."""

    def __init__(self) -> None:
        self.texts = self.lists = self.changed = self.too_long = self.spared = 0
        self.lost_by = Counter[str]()
        """Tags and clauses that are gone, by the rule that took them."""

    def add(self, caption: Caption) -> None:
        for own in caption.own:
            self.texts += own.is_text
            self.lists += not own.is_text
            self.changed += bool(own.lost)
            self.too_long += own.is_too_long
            self.spared += len(own.spared)
            self.lost_by.update(family(drop.rule) for drop in own.lost)

    def summary(self) -> dict[str, Any]:
        """For metrics/filter_tags.json; empty where no caption came along."""
        if not self.texts + self.lists:
            return {}
        counts = {"texts": self.texts, "tag_lists": self.lists, "changed": self.changed}
        return {"own": {**counts, "too_long": self.too_long, "lost_by": dict(self.lost_by)}}

    def told(self, max_tokens: int | None) -> list[str]:
        """Sentences for the terminal."""
        if not (whole := self.texts + self.lists):
            return []
        told = [
            f"own captions: {whole} ({self.texts} read as sentences, {self.lists} as lists of tags);"
            f" {self.changed or 'none'} changed{self._lost()}"
        ]
        if self.spared:
            told.append(
                f"own captions: {self.spared} of their tags say who it is and stay, since a person wrote"
                " them; filter_tags.filter_existing: true takes them out"
            )
        if self.too_long:
            told.append(
                f"own captions: {self.too_long} are longer than filter_tags.max_tokens {max_tokens} and stay"
                " whole; raise it and train.max_tokens, or shorten them"
            )
        return told

    def _lost(self) -> str:
        rules = ", ".join(f"{rule} {number}" for rule, number in sorted(self.lost_by.items()))
        return f": {self.lost_by.total()} tags or clauses taken out ({rules})" if rules else ""
