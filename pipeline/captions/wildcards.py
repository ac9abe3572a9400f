"""Wildcards in a caption: of `{red|blue|green}` each showing draws one; `{{` and `}}` are the brackets
themselves (kohya-ss/sd-scripts library/train_util.py, process_caption with enable_wildcard). Pure.
"""

import re
from collections.abc import Callable

WILDCARD = re.compile(r"\{([^}]+)\}")


def drawn(caption: str, choose: Callable[[list[str]], str]) -> str:
    """The caption with one of the words of each wildcard, as `choose` takes it."""
    opening, closing = "\0", "\1"  # no caption holds control characters
    text = caption.replace("{{", opening).replace("}}", closing)
    # Behind the last bracket nothing closes: a search there would only cost time.
    end = text.rfind("}") + 1
    text = WILDCARD.sub(lambda found: choose(found[1].split("|")), text[:end]) + text[end:]
    return text.replace(opening, "{").replace(closing, "}")


def longest(caption: str) -> str:
    """The caption with the longest words of each wildcard."""
    return drawn(caption, lambda words: max(words, key=len))


def has_wildcards(caption: str) -> bool:
    """Whether a word is to be drawn somewhere."""
    return any("|" in found[1] for found in WILDCARD.finditer(caption[: caption.rfind("}") + 1]))
