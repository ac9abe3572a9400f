"""Whether the words with which the grid's prompts begin were in the training's captions, by the header of the
network (kohya-ss/sd-scripts train_network.py: ss_tag_frequency, {folder: {tag: pictures}}). A stranger's
header is data: what is not of that form says nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.captions.text import same, spaced
from pipeline.files.json_text import JsonError, parse_mapping
from pipeline.printable import printable

FREQUENCY_KEY, PHRASE_KEY = "ss_tag_frequency", "modelspec.trigger_phrase"
MOST_CHARACTERS = 20_000_000
"""Of the header's text; a caption of a hundred tags for each of 100 000 pictures has fewer."""
_MOST_SHOWN = 40
"""Characters of a stranger's word in a sentence."""
LITTLE_WORDS = frozenset(("a", "an", "the", "of"))


@dataclass(frozen=True)
class UnknownTrigger:
    """words: with which the prompts begin and which no caption has; instead: what most captions have, if
    known.
    """

    words: Sequence[str]
    instead: str | None


def unknown_trigger(prompts: Sequence[str], metadata: Mapping[str, str]) -> UnknownTrigger | None:
    """`prompts`: in plain words. None where a prompt begins with words of a caption or has anywhere the
    header's trigger phrase, if captions have that, or where the header does not say what captions have.
    """
    counts = tag_counts(metadata.get(FREQUENCY_KEY, ""))
    if not counts or not prompts:
        return None
    known = {word for tag in counts for word in _words(tag)}
    phrase = same(metadata.get(PHRASE_KEY, "")).strip()
    phrase = phrase if _words(phrase) & known else ""
    if phrase and any(phrase in same(prompt) for prompt in prompts):
        return None
    firsts = list(dict.fromkeys(prompt.partition(",")[0].strip() for prompt in prompts))
    if any(not _words(first) or _words(first) & known for first in firsts):
        return None
    instead = phrase or counts.most_common(1)[0][0]
    return UnknownTrigger([_shown(first) for first in firsts], _shown(instead))


def tag_counts(text: str) -> Counter[str]:
    """Pictures by tag, of all folders; empty if the text is not of that form."""
    try:
        folders = parse_mapping(text) if len(text) <= MOST_CHARACTERS else {}
    except JsonError:
        return Counter()
    counts = Counter[str]()
    for tags in folders.values():
        for tag, number in tags.items() if isinstance(tags, dict) else ():
            if isinstance(number, int):
                counts[same(tag)] += number
    return counts


def _words(tag: str) -> set[str]:
    return set(spaced(same(tag)).split()) - LITTLE_WORDS


def _shown(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
