"""Tags that a finer tag implies: a `white shirt` is a `shirt`.

The rule goes by the head noun: a tag of several words is a kind of what its last words name. It compares
whole words, so `earrings` does not imply `ring`, and only the end, so `cat ears` does not imply `cat`. Two
shipped lists correct it: pairs that the last word does not show (lists/implications.txt), and tags that are
not a kind of their last word (lists/not_implied.txt).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache

from pipeline.captions.patterns import Patterns
from pipeline.captions.word_lists import pairs, word_list


@cache
def _listed() -> dict[str, list[str]]:
    general = defaultdict[str, list[str]](list)
    for finer, name in pairs("implications"):
        general[finer].append(name)
    return dict(general)


@cache
def _exceptions() -> Patterns:
    return Patterns(word_list("not_implied"))


@cache
def implied(tag: str) -> tuple[str, ...]:
    """Every tag that `tag` implies, existing or not."""
    return tuple(dict.fromkeys([*_listed().get(tag, []), *_heads(tag)]))


def _heads(tag: str) -> Iterator[str]:
    """`long white shirt` -> `white shirt`, `shirt`."""
    if " " in tag and _exceptions().find(tag) is None:
        words = tag.split(" ")
        yield from (" ".join(words[start:]) for start in range(1, len(words)))


def superfluous(tags: Iterable[str]) -> dict[str, str]:
    """{implied tag: the finer tag}; of several finer ones the finest, then the alphabetically first."""
    names = set(tags)
    finer = {
        general: finest
        for finest in sorted(names, key=lambda name: (name.count(" "), name), reverse=True)
        for general in implied(finest)
        if general in names
    }
    return {general: _end(finer, general) for general in sorted(finer)}


def _end(finer: dict[str, str], tag: str) -> str:
    """The finest tag at the end of the chain."""
    while tag in finer:
        tag = finer[tag]
    return tag
