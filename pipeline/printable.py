"""Text fit to be shown: names from files, archives and servers may hold anything.

Control characters move the cursor, hide what was written or forge a line; marks of direction turn a name
around; half characters (names that are no UTF-8) cannot be written at all. All of them are shown escaped.
Passwords in URLs are not shown.
"""

import re
import unicodedata
from urllib.parse import unquote

HIDDEN = "***"
ESCAPED = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of control characters, half characters, and separators of lines and paragraphs."""
DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
SECRET = (
    "key", "token", "secret", "sig", "pass", "pwd", "auth", "credential", "session", "cookie", "jwt", "hmac",
)  # fmt: skip
"""Parts of the names of parameters of which the value is not shown."""
CLOSING = "'\">)]},.:;"
_HOST = re.compile(r"((?:https?|s?ftps?):[/\\]*|(?<![\w.])//)([^/?#\s]*)", re.IGNORECASE)
_NO_PORT = re.compile(r"(?<=//)[^/?#\s:@\[]*:(?!\d*(?:[/?#\s]|$))\S{0,300}@")
"""A user's name and a password that a sign of URLs cuts in two."""
_PARAMETER = re.compile(r"([?&#;]([^?&#;=\s]+)=)([^?&#;\s]*(?:[?;][^?&#;=\s]*(?![^?&#;\s]))*)")
"""Its value goes on behind `;` and `?` where no other name follows."""


def printable(text: str) -> str:
    """One line, without passwords."""
    return _escaped(without_passwords(text))


def printable_lines(text: str) -> str:
    """As `printable`; the lines stay."""
    return "\n".join(map(printable, text.split("\n")))


def without_passwords(text: str) -> str:
    """Every URL in it without its user's name and password, and without the values of keys and tokens."""
    return _PARAMETER.sub(_parameter, _NO_PORT.sub(f"{HIDDEN}@", _HOST.sub(_host, text)))


def _host(found: re.Match[str]) -> str:
    _, at, host = found[2].rpartition("@")
    return f"{found[1]}{HIDDEN}@{host}" if at else found[0]


def _parameter(found: re.Match[str]) -> str:
    """Quotes and stops at the end are the sentence's around it. A value may be a whole URL, encoded."""
    value = found[3]
    is_secret = any(part in unquote(found[2]).lower() for part in SECRET)
    if not is_secret and not ("%" in value and _holds_password(unquote(value))):
        return found[0]
    return f"{found[1]}{HIDDEN}{value[len(value.rstrip(CLOSING)) :][-2:]}"


def _holds_password(text: str) -> bool:
    return without_passwords(text) != text


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(_escape(letter) if _is_escaped(letter) else letter for letter in text)


def _is_escaped(letter: str) -> bool:
    return letter in DIRECTIONS or unicodedata.category(letter) in ESCAPED


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
