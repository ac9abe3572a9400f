"""Counts over all scores: tags that each threshold keeps, tags seen most. Pure."""

from bisect import bisect
from collections import Counter
from typing import TypeVar

from pipeline.captions.labels import TagScores

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
SEEN = 0.5
"""From this score a tag counts as seen in the plots and metrics of `tag`; captions have their own thresholds.
"""
CHARTED = 60
"""How many of the most frequent tags are charted: a plot with more bars cannot be read."""

_Key = TypeVar("_Key", str, tuple[str, str])


class ScoreCounts:
    """Counts of pictures that are added one by one."""

    def __init__(self) -> None:
        self.pictures = self.seen_general = 0
        self.passing = {category: Counter[int]() for category in ("general", "character")}
        """Tags by the number of thresholds that their score reaches."""
        self.seen = Counter[tuple[str, str]]()

    def add(self, scores: TagScores) -> None:
        """{category: {tag: score}} of a picture."""
        self.pictures += 1
        self.seen_general += sum(score >= SEEN for score in scores.get("general", {}).values())
        for category, passing in self.passing.items():
            passing.update(bisect(THRESHOLDS, score) for score in scores.get(category, {}).values())
        for category, tags in scores.items():
            if category != "rating":
                self.seen.update((tag, category) for tag, score in tags.items() if score >= SEEN)

    def tags_by_threshold(self) -> list[tuple[float, float, float]]:
        """(threshold, general tags per picture, character tags per picture)."""

        def mean(category: str, number: int) -> float:
            passing = self.passing[category]
            kept = sum(tags for reached, tags in passing.items() if reached > number)
            return round(kept / max(1, self.pictures), 4)

        return [
            (threshold, mean("general", number), mean("character", number))
            for number, threshold in enumerate(THRESHOLDS)
        ]

    def seen_mean(self) -> float:
        """Seen general tags per picture."""
        return float(round(self.seen_general / max(1, self.pictures), 3))

    def most_seen(self) -> list[tuple[str, str, int]]:
        """(tag, category, pictures that show it), the most frequent first, without ratings."""
        return [(tag, category, number) for (tag, category), number in commonest(self.seen)]


def commonest(counts: Counter[_Key]) -> list[tuple[_Key, int]]:
    """The CHARTED most frequent, ties by the alphabet."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:CHARTED]
