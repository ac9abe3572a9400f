"""How tags are written: underscores, kaomoji, escapes. Inside the project a tag is raw: with spaces, without
escapes; the last step writes it for trainers.
"""

import re
import unicodedata

KAOMOJI = frozenset([
    "0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9", ">_o", "@_@",
    "^_^", "o_o", "u_u", "x_x", "|_|", "||_||",
])  # fmt: skip
"""The 19 tags whose underscore belongs to a face (deepghs/imgutils imgutils/tagging/format.py)."""
SPECIAL = re.compile(r"([\\()])")
ESCAPED_CHARACTER = re.compile(r"\\([\\()])")


def spaced(tag: str) -> str:
    """`long_hair` -> `long hair`; kaomoji keep their underscore."""
    return tag if tag in KAOMOJI else tag.replace("_", " ")


def underscored(tag: str) -> str:
    """`long hair` -> `long_hair`, as boorus write tags: the inverse of `spaced` for every tag without
    spaces.
    """
    return tag.replace(" ", "_")


def escaped(text: str) -> str:
    r"""A backslash before `(`, `)` and `\`: AUTOMATIC1111 and ComfyUI read bare ones as weights."""
    return SPECIAL.sub(r"\\\1", text)


def unescaped(text: str) -> str:
    """The inverse of `escaped`; other backslashes stay."""
    return ESCAPED_CHARACTER.sub(r"\1", text)


def same(tag: str) -> str:
    """Equal for tags that the text encoder cannot distinguish: it lower-cases and composes accents."""
    return unicodedata.normalize("NFC", tag).lower()
