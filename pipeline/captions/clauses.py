"""A text as parts of a caption."""

import re

from pipeline.captions.parts import CaptionPart
from pipeline.captions.seen import weighted
from pipeline.captions.text import unescaped
from pipeline.texts.separators import COMMAS, Separators, TagPiece


def clauses(
    text: str | None,
    origin: str,
    trigger: str | None,
    separators: Separators = COMMAS,
    fixed: bool = False,
    escape: bool = False,
) -> list[CaptionPart]:
    """Splits a text at its commas, so that a limit can drop the last parts. Joins its lines and removes a
    leading trigger. With `escape`, clauses that have a weight stay as written.
    """
    words = " ".join((text or "").split()).rstrip(f" {separators.mark}")
    if trigger and (begins := re.match(rf"{re.escape(trigger)}(?!\w)", words, re.IGNORECASE)):
        words = words[begins.end() :].lstrip(f" {separators.mark}")
    return [
        CaptionPart(
            unescaped(piece.text), "text", origin, fixed=fixed,
            written=weighted(piece.text) if escape else None, section=piece.section, group=piece.group,
        )
        for piece in _pieces(words, separators)
    ]  # fmt: skip


def _pieces(words: str, separators: Separators) -> list[TagPiece]:
    """Splits verbatim, unless a mark divides the text into sections."""
    if separators.keep and separators.keep in words:
        return separators.pieces(words)
    return [TagPiece(clause) for clause in words.split(separators.joiner) if clause]
