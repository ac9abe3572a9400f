"""Counts over all captions, for metrics and plots."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pipeline.captions.budget import num_tokens
from pipeline.captions.caption import Caption
from pipeline.captions.counts import commonest


def summary(captions: Mapping[str, Caption]) -> dict[str, Any]:
    """For metrics/filter_tags.json."""
    made = captions.values()
    tokens = [num_tokens(caption.text) for caption in made]
    return {
        "captions": len(made),
        "empty": sum(not caption.text for caption in made),
        "different_tags": len({tag for caption in made for tag in caption.kept}),
        "tags_mean": _mean([len(caption.kept) for caption in made]),
        "tokens_mean": _mean(tokens),
        "tokens_max": max(tokens, default=0),
        "dropped_by": dict(Counter(_family(drop.rule) for c in made for drop in c.dropped)),
    }


def _mean(numbers: list[int]) -> float:
    return round(sum(numbers) / len(numbers), 3) if numbers else 0.0


def _family(rule: str) -> str:
    """`identity hair * hair` -> `identity`: the rule without what it named."""
    return "caption" if rule.startswith("caption") else rule.split(" ", maxsplit=1)[0]


def kept_counts(captions: Mapping[str, Caption]) -> list[tuple[str, int]]:
    """Rows tag, pictures that have it in their caption."""
    return commonest(Counter(tag for caption in captions.values() for tag in set(caption.kept)))


def dropped_counts(captions: Mapping[str, Caption]) -> list[tuple[str, int]]:
    """Rows tag, pictures that it was dropped from."""
    return commonest(Counter(tag for c in captions.values() for tag in {drop.tag for drop in c.dropped}))


def with_trigger(captions: Mapping[str, Caption]) -> list[tuple[str, str, int, float]]:
    """Rows trigger, tag, pictures, share of the trigger's pictures that have the tag: what always stands
    beside the trigger is learned as one with it.
    """
    rows = []
    for trigger in sorted({caption.trigger for caption in captions.values() if caption.trigger}):
        theirs = [set(c.kept) - {trigger} for c in captions.values() if trigger in c.kept]
        counts = Counter(tag for tags in theirs for tag in tags)
        rows += [(trigger, tag, n, round(n / len(theirs), 4)) for tag, n in commonest(counts)]
    return rows
