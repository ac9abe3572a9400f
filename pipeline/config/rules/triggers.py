"""The words that a network learns, which some texts should lack."""

import re
from collections.abc import Sequence

from pipeline.schemas import Config


def triggers(config: Config) -> Sequence[str]:
    """filter_tags.trigger, of every concept."""
    trigger = config.filter_tags.trigger
    return list(trigger.values()) if isinstance(trigger, dict) else list(filter(None, [trigger]))


def has_words(text: str, words: str) -> bool:
    """Whether the text contains them as whole words, in any case."""
    return bool(re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE))
