"""What all scores say together: how many tags a threshold keeps, which tags are seen most. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
SEEN = 0.5
"""Score from which a tag counts as seen in the plots and metrics of `tag`; captions have their own."""
CHARTED = 60
"""So many of the most frequent tags are charted: bars of a plot that can still be read."""

Rows = Sequence[dict[str, Any]]
Key = TypeVar("Key", str, tuple[str, str])


def tags_by_threshold(rows: Rows) -> list[tuple[float, float, float]]:
    """(threshold, general tags a picture, character tags a picture)."""

    def mean(category: str, threshold: float) -> float:
        kept = [
            score for row in rows for score in row["scores"].get(category, {}).values() if score >= threshold
        ]
        return round(len(kept) / max(1, len(rows)), 4)

    return [(least, mean("general", least), mean("character", least)) for least in THRESHOLDS]


def seen_mean(rows: Rows) -> float:
    """General tags that are seen, a picture."""
    counts = [sum(score >= SEEN for score in row["scores"].get("general", {}).values()) for row in rows]
    return float(round(sum(counts) / max(1, len(counts)), 3))


def most_seen(rows: Rows) -> list[tuple[str, str, int]]:
    """(tag, category, pictures that show it), the most frequent first, without ratings."""
    seen = Counter(
        (tag, category)
        for row in rows
        for category, scores in row["scores"].items()
        if category != "rating"
        for tag, score in scores.items()
        if score >= SEEN
    )
    return [(tag, category, number) for (tag, category), number in commonest(seen)]


def commonest(counts: Counter[Key]) -> list[tuple[Key, int]]:
    """The CHARTED most frequent, ties by the alphabet."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:CHARTED]
