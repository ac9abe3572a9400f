"""Questions about pictures that are answered by yes or no, as they are written in the configuration."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

_FORM = re.compile(r"\s*(?P<text>\S.*\?)\s*(?P<answer>yes|no)?\s*", re.IGNORECASE | re.DOTALL)
MOST_QUESTION = 400


@dataclass(frozen=True)
class YesNoQuestion:
    """`text` ends with a question mark."""

    text: str
    expects_yes: bool


def read_question(written: str) -> YesNoQuestion:
    """`Is it green?` and `Is it green? yes` expect yes, `Is it red? no` expects no. Raises ValueError."""
    match = _FORM.fullmatch(written) if len(written) <= MOST_QUESTION else None
    if match is None:
        raise ValueError(
            f"{written[:60]!r} is no question: end it with ?, then write `no` if that is the right answer"
            f" (`Is there any text? no`), in at most {MOST_QUESTION} letters"
        )
    return YesNoQuestion(match["text"], (match["answer"] or "yes").lower() == "yes")


def _checked(written: str) -> str:
    read_question(written)
    return written


WrittenQuestion = Annotated[str, AfterValidator(_checked)]
