"""Which scores count as seen: a threshold for each category, or the greatest drop (MCut)."""

from collections.abc import Iterable, Mapping
from itertools import pairwise

from pipeline.captions.tags import Dropped, Tag
from pipeline.captions.text import spaced
from pipeline.schemas import FilterTagsConfig

StoredScores = Mapping[str, Mapping[str, float]]
RATING = "rating"


def threshold(category: str, scores: Iterable[float], config: FilterTagsConfig) -> float:
    """The lowest score that counts in this category of one picture; the general threshold for unknown
    categories.
    """
    if config.selection == "mcut":
        return max(mcut(scores), config.mcut_min)
    key = "threshold" if category == "general" else f"{category}_threshold"
    return float(getattr(config, key, config.threshold))


def mcut(scores: Iterable[float]) -> float:
    """Maximum cut thresholding: the middle of the greatest drop between neighbouring sorted scores, the first
    of equal ones (Largeron, Moulin, Gery 2012). Scores that were not stored are near 0 and count as one 0.
    """
    falls = [(high - low, high, low) for high, low in pairwise([*sorted(scores, reverse=True), 0.0])]
    if not falls:
        return 1.0
    _, high, low = max(falls, key=lambda fall: fall[0])
    return (high + low) / 2


def select(scores: StoredScores, config: FilterTagsConfig) -> tuple[list[Tag], list[Dropped]]:
    """Tags that count as seen, category by category; and those dropped because their category is off."""
    seen, off = list[Tag](), list[Dropped]()
    for category, of_category in sorted(scores.items()):
        if category == RATING:
            continue
        least = threshold(category, of_category.values(), config)
        over = [Tag(spaced(name), score, category) for name, score in of_category.items() if score >= least]
        if category in config.categories:
            seen += over
        else:
            off += [Dropped(tag.name, f"category {category} is off", tag.score) for tag in over]
    return seen, off


def rating(scores: StoredScores, config: FilterTagsConfig) -> list[Tag]:
    """The likeliest rating, if ratings are on."""
    ratings = scores.get(RATING, {})
    if RATING not in config.categories or not ratings:
        return []
    name, score = min(ratings.items(), key=lambda item: (-item[1], item[0]))
    return [Tag(spaced(name), score, RATING)]
