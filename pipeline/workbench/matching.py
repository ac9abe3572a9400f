"""Which pictures a filter names: sets of numbers, from an index of tags."""

import operator
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

from pipeline.captions.budget import num_tokens
from pipeline.captions.finished import Caption
from pipeline.captions.text import same, spaced
from pipeline.pictures.by_hand import glob
from pipeline.texts.lines import alternatives
from pipeline.workbench.filters import COMPARISON, All, Filter, Not, OneOf, Term
from pipeline.workbench.pictures import ShownPicture

SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq,
}  # fmt: skip
Numbers = set[int]


class Matcher:
    """Answers filters over all pictures. `captions`: by id, and may be empty; `scores` and `near` are asked
    only by the terms that need them.
    """

    def __init__(
        self,
        pictures: Sequence[ShownPicture],
        captions: Mapping[str, Caption],
        scores: Callable[[str], Mapping[str, float]],
        near: Callable[[str], Iterable[int]],
    ) -> None:
        self.pictures, self.captions, self.scores, self.near = pictures, captions, scores, near
        self.everything = set(range(len(pictures)))
        self.kept, self.dropped = dict[str, Numbers](), dict[str, Numbers]()
        self.spelling: dict[str, str] = {}
        self.texts = [picture.id.lower() for picture in pictures]
        self.edited, self.left_out = Numbers(), Numbers()
        self.names: dict[int, tuple[list[str], list[str]]] = {}
        for number in self.everything:
            self._enter(number)

    def update(self, numbers: Iterable[int]) -> None:
        """Captions of these pictures are others now."""
        for number in numbers:
            for index, names in zip((self.kept, self.dropped), self.names.pop(number, ([], [])), strict=True):
                for name in names:
                    index[name].discard(number)
            self._enter(number)

    def _enter(self, number: int) -> None:
        caption = self.captions.get(self.pictures[number].id)
        if caption is None:
            return
        self.texts[number] = f"{self.pictures[number].id}\n{caption.text}".lower()
        lost = [drop.tag for drop in caption.dropped]
        self.names[number] = (
            self._put(self.kept, caption.kept, number),
            self._put(self.dropped, lost, number),
        )

    def _put(self, index: dict[str, Numbers], tags: Iterable[str], number: int) -> list[str]:
        names = list[str]()
        for tag in tags:
            name = sys.intern(same(tag))
            self.spelling.setdefault(name, tag)
            index.setdefault(name, set()).add(number)
            names.append(name)
        return names

    def matching(self, wanted: Filter) -> Numbers:
        if isinstance(wanted, Not):
            return self.everything - self.matching(wanted.inner)
        if isinstance(wanted, All):
            return reduce(operator.and_, map(self.matching, wanted.parts), self.everything)
        if isinstance(wanted, OneOf):
            return reduce(operator.or_, map(self.matching, wanted.parts), Numbers())
        return self._of_term(wanted)

    def _of_term(self, term: Term) -> Numbers:
        finders: Mapping[str, Callable[[str], Numbers]] = {
            "text": self._with_text,
            "caption": self._with_caption,
            "tag": lambda value: self._with_tag(self.kept, value),
            "dropped": lambda value: self._with_tag(self.dropped, value),
            "score": self._scored,
            "near": lambda value: set(self.near(value)),
            "edited": lambda _: set(self.edited),
            "leftout": lambda _: set(self.left_out),
            "tags": lambda value: self._counted(value, lambda caption: len(caption.kept)),
            "tokens": lambda value: self._counted(value, tokens_of),
        }
        if term.field in finders:
            return finders[term.field](term.value)
        return {number for number in self.everything if _holds(self.pictures[number], term)}

    def _with_text(self, value: str) -> Numbers:
        text = value.lower()
        return {number for number, have in enumerate(self.texts) if text in have}

    def _with_caption(self, value: str) -> Numbers:
        text = value.lower()
        return {number for number, have in enumerate(self.texts) if text in have.partition("\n")[2]}

    def _with_tag(self, index: Mapping[str, Numbers], value: str) -> Numbers:
        name = same(spaced(value))
        if "*" not in name and "?" not in name:
            return set(index.get(name, ()))
        pattern = glob(name)
        return Numbers().union(*(having for tag, having in index.items() if pattern.fullmatch(tag)))

    def _counted(self, value: str, count: Callable[[Caption], int]) -> Numbers:
        if not (match := COMPARISON.fullmatch(value)):
            return Numbers()
        holds, limit = SIGNS[match["sign"]], float(match["number"])
        found = ((number, self.captions.get(picture.id)) for number, picture in enumerate(self.pictures))
        return {number for number, caption in found if caption and holds(count(caption), limit)}

    def _scored(self, value: str) -> Numbers:
        if not (match := COMPARISON.fullmatch(value)):
            return Numbers()
        holds, limit, scores = SIGNS[match["sign"]], float(match["number"]), self.scores(match["name"])
        return {
            number
            for number, picture in enumerate(self.pictures)
            if picture.id in scores and holds(scores[picture.id], limit)
        }

    def tags(self, numbers: Numbers) -> list[tuple[str, int, int]]:
        """Tags of these pictures: name, captions that have it, captions that lost it; the commonest first."""
        whole = len(numbers) == len(self.everything)
        kept, dropped = Counter[str](), Counter[str]()
        for counter, index in ((kept, self.kept), (dropped, self.dropped)):
            for name, having in index.items():
                counter[name] = len(having) if whole else len(having & numbers)
        names = [name for name in kept.keys() | dropped.keys() if kept[name] or dropped[name]]
        names.sort(key=lambda name: (-kept[name] - dropped[name], name))
        return [(self.spelling[name], kept[name], dropped[name]) for name in names]


def tokens_of(caption: Caption) -> int:
    """CLIP tokens of the longest alternative."""
    return max(map(num_tokens, alternatives(caption.text)), default=0)


def _holds(picture: ShownPicture, term: Term) -> bool:
    value = term.value.lower()
    if term.field == "id":
        return bool(glob(value).fullmatch(picture.id.lower())) or value in picture.id.lower()
    if term.field == "concept":
        return picture.concept.lower() == value
    if term.field == "verdict":
        return picture.verdict == value
    if term.field == "check":
        return any(note.startswith(f"{value}:") for note in picture.notes)
    if term.field == "side" and (match := COMPARISON.fullmatch(value)):
        whole = picture.made[0] if picture.made else (picture.width_px, picture.height_px)
        return SIGNS[match["sign"]](min(whole), float(match["number"]))
    return (term.field == "masked" and picture.mask is not None) or (
        term.field == "class" and picture.is_class
    )
