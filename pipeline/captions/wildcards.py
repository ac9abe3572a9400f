"""Wildcards in a caption: one word of `{red|blue|green}` is drawn each time; `{{` and `}}` are literal
brackets (kohya-ss/sd-scripts library/train_util.py, process_caption with enable_wildcard). Pure.
"""

import re
from collections.abc import Callable

WILDCARD = re.compile(r"\{([^}]+)\}")


def drawn(caption: str, choose: Callable[[list[str]], str]) -> str:
    """The caption with the word of each wildcard that `choose` picks."""
    opening, closing = "\0", "\1"  # no caption holds control characters
    text = caption.replace("{{", opening).replace("}}", closing)
    # Nothing closes after the last bracket: searching there only costs time.
    end = text.rfind("}") + 1
    text = WILDCARD.sub(lambda match: choose(match[1].split("|")), text[:end]) + text[end:]
    return text.replace(opening, "{").replace(closing, "}")


def longest(caption: str) -> str:
    """The caption with the longest words of each wildcard."""
    return drawn(caption, lambda words: max(words, key=len))


def has_wildcards(caption: str) -> bool:
    """Whether the caption has a wildcard."""
    return any("|" in match[1] for match in WILDCARD.finditer(caption[: caption.rfind("}") + 1]))
