"""Counts over all captions, for metrics and plots."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pipeline.captions.budget import num_tokens
from pipeline.captions.counts import commonest
from pipeline.captions.finished import Caption
from pipeline.captions.own import OwnCaptions
from pipeline.captions.tags import family
from pipeline.texts.lines import alternatives


class Statistics:
    """Counts of captions that are added one by one; `triggers`: every concept's."""

    def __init__(self, triggers: Iterable[str] = ()) -> None:
        self.captions = self.empty = self.tags = self.tokens = self.most_tokens = 0
        self.kept, self.dropped, self.dropped_by = Counter[str](), Counter[str](), Counter[str]()
        self.used = set[str]()
        """Triggers that some picture has."""
        self.own = OwnCaptions()
        self.seen_with = {trigger: Counter[str]() for trigger in triggers}
        """By trigger, the pictures that have it and another tag, or the trigger itself."""

    def add(self, caption: Caption) -> None:
        tokens, kept = max(map(num_tokens, alternatives(caption.text))), set(caption.kept)
        self.own.add(caption)
        self.captions += 1
        self.empty += not caption.text
        self.tags += len(caption.kept)
        self.tokens += tokens
        self.most_tokens = max(self.most_tokens, tokens)
        self.kept.update(kept)
        self.dropped.update({drop.tag for drop in caption.dropped})
        self.dropped_by.update(family(drop.rule) for drop in caption.dropped)
        self.used.update(filter(None, [caption.trigger]))
        for trigger in kept & self.seen_with.keys():
            self.seen_with[trigger].update(kept)

    def summary(self) -> dict[str, Any]:
        """For metrics/filter_tags.json."""
        return {
            "captions": self.captions,
            "empty": self.empty,
            "different_tags": len(self.kept),
            "tags_mean": self._mean(self.tags),
            "tokens_mean": self._mean(self.tokens),
            "tokens_max": self.most_tokens,
            "dropped_by": dict(self.dropped_by),
            **self.own.summary(),
        }

    def _mean(self, total: int) -> float:
        return round(total / self.captions, 3) if self.captions else 0.0

    def kept_counts(self) -> list[tuple[str, int]]:
        """Rows of tag, pictures with the tag in their caption."""
        return commonest(self.kept)

    def dropped_counts(self) -> list[tuple[str, int]]:
        """Rows of tag, pictures that lost it."""
        return commonest(self.dropped)

    def with_trigger(self) -> list[tuple[str, str, int, float]]:
        """Rows of trigger, tag, pictures, share of the trigger's pictures with the tag: a tag that always
        comes with the trigger is learned as part of it.
        """
        rows = []
        for trigger in sorted(self.used & self.seen_with.keys()):
            counts = self.seen_with[trigger].copy()
            pictures = counts.pop(trigger, 0)
            rows += [(trigger, tag, n, round(n / pictures, 4)) for tag, n in commonest(counts)]
        return rows
