"""Whether the words with which the grid's prompts begin were in the training's captions, by the header of the
network (kohya-ss/sd-scripts train_network.py: ss_tag_frequency, {folder: {tag: pictures}}; ss_dataset_dirs,
{folder: {"img_count": pictures}}). Only a training with a trigger can lack it: one whose header names it, or
one folder of which has a tag in nearly all captions. A style without a trigger has other words in its
prompts than in its captions, and nothing is wrong. A stranger's header is data: what is not of that form
says nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from pipeline.captions.text import same, spaced
from pipeline.files.json_text import JsonError, parse_mapping
from pipeline.printable import printable

FREQUENCY_KEY, FOLDERS_KEY, PHRASE_KEY = "ss_tag_frequency", "ss_dataset_dirs", "modelspec.trigger_phrase"
MOST_CHARACTERS = 20_000_000
"""Of the header's text; a caption of a hundred tags for each of 100 000 pictures has fewer."""
_MOST_PICTURES = 1_000_000_000
_MOST_SHOWN, _MOST_READ = 40, 400
"""Characters of a stranger's word in a sentence, and those that are looked at for it."""
NEARLY_ALL = 0.9
"""Of a folder's pictures."""
LITTLE_WORDS = frozenset(("a", "an", "the", "of"))


@dataclass(frozen=True)
class UnknownTrigger:
    """words: with which the prompts begin and which no caption has; instead: what the captions have."""

    words: Sequence[str]
    instead: str


def unknown_trigger(prompts: Sequence[str], metadata: Mapping[str, str]) -> UnknownTrigger | None:
    """`prompts`: in plain words. None where a prompt begins with words of a caption or has the trigger
    anywhere (the header's phrase, if captions have that, else the tag that nearly all captions have), or
    where the header does not say what captions have or they have no trigger.
    """
    folders = tag_counts(metadata.get(FREQUENCY_KEY, ""))
    known = {word for counts in folders.values() for tag in counts for word in _words(tag)}
    phrase = same(metadata.get(PHRASE_KEY, "")).strip()
    phrase = phrase if _words(phrase) & known else ""
    firsts = list(dict.fromkeys(prompt.partition(",")[0].strip() for prompt in prompts))
    if any(not _words(first) or _words(first) & known for first in firsts):
        return None
    instead = phrase or shared_tag(folders, metadata.get(FOLDERS_KEY, ""))
    if not (instead and firsts) or any(spaced(instead) in spaced(same(prompt)) for prompt in prompts):
        return None
    return UnknownTrigger([_shown(first) for first in firsts], _shown(instead))


def tag_counts(text: str) -> dict[str, Counter[str]]:
    """Pictures by tag, by folder; empty if the text is not of that form."""
    folders = dict[str, Counter[str]]()
    for folder, tags in _mapping(text).items():
        for tag, number in tags.items() if isinstance(tags, dict) else ():
            if _is_count(number) and _words(tag):
                folders.setdefault(folder, Counter())[same(tag)] += number
    return folders


def shared_tag(folders: Mapping[str, Counter[str]], dataset_dirs: str) -> str | None:
    """The tag that nearly all pictures of a folder have, the most frequent of the largest such folder; None
    without one. Folders of class pictures are not in `dataset_dirs`.
    """
    found = dict[str, int]()
    for folder, facts in _mapping(dataset_dirs).items():
        number = facts.get("img_count") if isinstance(facts, dict) else None
        for tag, count in folders.get(folder, Counter[str]()).most_common(1):
            if _is_count(number) and count >= NEARLY_ALL * number:
                found[tag] = max(count, found.get(tag, 0))
    return max(found, key=found.__getitem__, default=None)


def _is_count(number: Any) -> TypeGuard[int]:
    """A number of pictures that there may be."""
    return type(number) is int and 0 < number < _MOST_PICTURES


def _mapping(text: str) -> dict[str, Any]:
    try:
        return parse_mapping(text) if len(text) <= MOST_CHARACTERS else {}
    except JsonError:
        return {}


def _words(tag: str) -> set[str]:
    return set(spaced(same(tag)).split()) - LITTLE_WORDS


def _shown(text: str) -> str:
    text = printable(text[:_MOST_READ])
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
