"""Several taggers as one: a tag's score is the mean over the taggers that know the tag. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.captions.labels import SCORE_DECIMALS, Label, TagScores

TagIdentity = tuple[bool, str]
"""(is a rating, name): `general` is a rating and could be a tag. No other category identifies a tag: old
taggers have no characters and call them general.
"""


def identity(category: str, name: str) -> TagIdentity:
    return category == "rating", name


class Ensemble:
    """`labels`: each tagger's."""

    def __init__(self, labels: Sequence[Iterable[Label]]) -> None:
        self.category: dict[TagIdentity, str] = {}
        self.knowers: Counter[TagIdentity] = Counter()
        for known in labels:
            tags = {identity(label.category, label.name): label.category for label in known}
            self.knowers.update(tags.keys())
            self.category = tags | self.category

    def mean(self, scores: Sequence[Mapping[str, Mapping[str, float]]], min_score: float) -> TagScores:
        """{category: {name: score}} from the same of each tagger, to three decimals.

        A tag that a tagger knows but did not keep (its score was below `min_score`) counts as 0 there; a mean
        below `min_score` is left out. The first tagger that knows a tag decides its category.
        """
        sums: dict[TagIdentity, float] = {}
        for category, name, score in _flat(scores):
            tag = identity(category, name)
            sums[tag] = sums.get(tag, 0.0) + score
        named: TagScores = {}
        for tag, total in sums.items():
            if (mean := round(total / self.knowers[tag], SCORE_DECIMALS)) >= min_score:
                named.setdefault(self.category[tag], {})[tag[1]] = mean
        return named


def _flat(scores: Sequence[Mapping[str, Mapping[str, float]]]) -> Iterator[tuple[str, str, float]]:
    for of_tagger in scores:
        for category, tags in of_tagger.items():
            for name, score in tags.items():
                yield category, name, score
