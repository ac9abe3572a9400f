"""Shows in a terminal what becomes of a picture's tags."""

from collections.abc import Iterator

from pipeline.captions.finished import Caption
from pipeline.errors import UserError, near
from pipeline.pictures.by_hand import named
from pipeline.printable import printable

BOLD, RED, GREEN, CYAN, DIM = "1", "31", "32", "36", "2"


def matching(pattern: str, captions: dict[str, Caption]) -> dict[str, Caption]:
    """Captions of the pictures that the pattern matches; no match is a user error."""
    if not (matching_ids := named(pattern, captions)):
        raise UserError(f"no picture has the id {pattern!r}{near(pattern, captions)}")
    return {picture_id: captions[picture_id] for picture_id in matching_ids}


def preview(captions: dict[str, Caption], colour: bool) -> str:
    """A block per picture: its id, the caption, `+` additions and `-` dropped tags, with rule and score."""
    return "\n\n".join("\n".join(_lines(key, caption, colour)) for key, caption in captions.items())


def _lines(picture_id: str, caption: Caption, colour: bool) -> Iterator[str]:
    def paint(code: str, text: str) -> str:
        return f"\033[{code}m{printable(text)}\033[0m" if colour else printable(text)

    yield paint(BOLD, picture_id)
    yield f"  {paint(GREEN, caption.text)}"
    for kind, text in caption.kinds.items():
        yield f"  {paint(DIM, f'{kind}:')} {paint(GREEN, text)}"
    for added in caption.added:
        yield f"  {paint(CYAN, f'+ {added.tag:28}       {added.rule}')}"
    for dropped in caption.dropped:
        score = " " * 5 if dropped.score is None else f"{dropped.score:5.2f}"
        yield f"  {paint(RED, f'- {dropped.tag:28}')} {paint(DIM, f'{score} {dropped.rule}')}"
