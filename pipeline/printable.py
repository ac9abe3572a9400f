"""Makes text safe to print: names from files, archives and servers may hold anything.

Control characters move the cursor, hide text or forge a line; direction marks reverse a name; surrogates
(from names that are not UTF-8) cannot be written at all. All of them are escaped. Passwords in URLs are
hidden.
"""

import re
import unicodedata
from urllib.parse import unquote

HIDDEN = "***"
ESCAPED_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's categories of control characters, surrogates, and separators of lines and paragraphs."""
DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
SECRET = (
    "key", "token", "secret", "sig", "pass", "pwd", "auth", "credential", "session", "cookie", "jwt", "hmac",
)  # fmt: skip
"""Parts of parameter names whose values are hidden."""
CLOSING = "'\">)]},.:;"
_HOST = re.compile(r"((?:https?|s?ftps?):[/\\]*|(?<![\w.])//)([^/?#\s]*)", re.IGNORECASE)
_NO_PORT = re.compile(r"(?<=//)[^/?#\s:@\[]*:(?!\d*(?:[/?#\s]|$))\S{0,300}@")
"""A user name and a password that contains one of a URL's own marks."""
_PARAMETER = re.compile(r"([?&#;]([^?&#;=\s]+)=)([^?&#;\s]*(?:[?;][^?&#;=\s]*(?![^?&#;\s]))*)")
"""The value continues after `;` and `?` if no other name follows."""


def printable(text: str) -> str:
    """One line, without passwords."""
    return _escaped(without_passwords(text))


def printable_lines(text: str) -> str:
    """As `printable`; the lines stay."""
    return "\n".join(map(printable, text.split("\n")))


def without_passwords(text: str) -> str:
    """The text with URLs' user names and passwords, and the values of keys and tokens, hidden."""
    return _PARAMETER.sub(_parameter, _NO_PORT.sub(f"{HIDDEN}@", _HOST.sub(_host, text)))


def _host(match: re.Match[str]) -> str:
    _, at, host = match[2].rpartition("@")
    return f"{match[1]}{HIDDEN}@{host}" if at else match[0]


def _parameter(match: re.Match[str]) -> str:
    """Quotes and stops at the end belong to the sentence around it. A value may be a whole URL, encoded."""
    value = match[3]
    is_secret = any(part in unquote(match[2]).lower() for part in SECRET)
    if not is_secret and not ("%" in value and _holds_password(unquote(value))):
        return match[0]
    return f"{match[1]}{HIDDEN}{value[len(value.rstrip(CLOSING)) :][-2:]}"


def _holds_password(text: str) -> bool:
    return without_passwords(text) != text


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(_escape(letter) if _is_escaped(letter) else letter for letter in text)


def _is_escaped(letter: str) -> bool:
    return letter in DIRECTIONS or unicodedata.category(letter) in ESCAPED_CATEGORIES


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
