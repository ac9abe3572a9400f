"""Whole words of a text."""

import re


def has_words(text: str, words: str) -> bool:
    """Whether the text contains them as whole words, in any case."""
    return bool(_whole(words).search(text))


def with_words_replaced(text: str, words: str, others: str) -> str:
    """The text with `others` wherever it contains `words` as whole words, in any case."""
    return _whole(words).sub(lambda _: others, text)


def _whole(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(words)}(?!\w)", re.IGNORECASE)
