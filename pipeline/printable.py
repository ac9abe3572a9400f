"""Text fit to be shown: names from files, archives and servers may hold anything.

Control characters move the cursor, hide what was written or forge a line; marks of direction turn a name
around; half characters (names that are no UTF-8) cannot be written at all. All of them are shown escaped.
Passwords in URLs are not shown.
"""

import re
import unicodedata

HIDDEN = "***"
ESCAPED = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of control characters, half characters, and separators of lines and paragraphs."""
DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_OF_USER = re.compile(r"(?<=://)[^/?#\s'\"<>]*@")
_OF_QUERY = re.compile(
    r"([?&](?:password|passwd|passphrase|pass|pwd|token|access_token|auth|auth_token|authorization|api_?key|apikey"
    r"|secret|client_secret|signature|sig|x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature)=)"
    r"[^&#\s'\"<>]*",
    re.IGNORECASE,
)


def printable(text: str) -> str:
    """One line, without passwords."""
    return _escaped(without_passwords(text))


def printable_lines(text: str) -> str:
    """As `printable`; the lines stay."""
    return "\n".join(map(printable, text.split("\n")))


def without_passwords(text: str) -> str:
    """Every URL in it without its user's name and password, and without the values of keys and tokens."""
    return _OF_QUERY.sub(rf"\1{HIDDEN}", _OF_USER.sub(f"{HIDDEN}@", text))


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(_escape(letter) if _is_escaped(letter) else letter for letter in text)


def _is_escaped(letter: str) -> bool:
    return letter in DIRECTIONS or unicodedata.category(letter) in ESCAPED


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
