"""Guesses whether a caption is prose or a list of tags: tags are short and have no articles."""

import re

ARTICLES = frozenset([
    "a", "an", "is", "are", "was", "were", "has", "have", "had", "there", "this", "that", "these", "those",
    "while", "wearing", "who", "which", "it", "its", "she", "he", "they", "his", "her", "their",
])  # fmt: skip
"""Words of sentences, not of tags; `the` is also in titles (`the legend of zelda`)."""
CLAUSE_WORDS = 5
"""This many words between two commas are a clause in any language; tags this long are rare."""
CLAUSE_SIGNS = 12
"""This many Chinese or Japanese characters, which are written without spaces, are a clause."""
STOPS = (".", "!", "?", "\u3002", "\uff01", "\uff1f")
CLAUSES = re.compile(r"[,;\uff0c\u3001\uff1b\u3002]")
WITHOUT_BLANKS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")


def is_prose(text: str) -> bool:
    """Whether most words are in clauses of a sentence, or the text ends like a sentence."""
    clauses = [clause.split() for clause in CLAUSES.split(text) if clause.strip()]
    if not clauses:
        return False
    # A full stop ends a sentence; `...` and `!?` are tags.
    last = clauses[-1]
    if text.rstrip().endswith(STOPS) and (len(last) >= 3 or _signs(last) >= CLAUSE_SIGNS // 2):
        return True
    words = sum(map(len, clauses))
    return 2 * sum(len(clause) for clause in clauses if _is_clause(clause)) >= words


def _is_clause(words: list[str]) -> bool:
    if "_" in "".join(words):
        return False
    low = [word.lower().strip("\"'().:") for word in words]
    if len(words) >= CLAUSE_WORDS or _signs(words) >= CLAUSE_SIGNS:
        return True
    return (low[0] in ("a", "an") and len(words) > 1) or (len(words) >= 3 and not ARTICLES.isdisjoint(low))


def _signs(words: list[str]) -> int:
    return len(WITHOUT_BLANKS.findall("".join(words)))
