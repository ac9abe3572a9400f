"""What a tagger sees in generated pictures: the subject, and the other tags of the prompt. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from pipeline.captions.text import spaced


@dataclass(frozen=True)
class Score:
    """Fractions from 0 to 1: pictures that show the whole subject; tags of the prompt that are in the
    picture.
    """

    subject: float
    prompt: float

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


def asked_tags(prompt: str, known: Sequence[str], subject: Sequence[str]) -> list[str]:
    """Tags of the prompt that the tagger knows, without the subject's own."""
    parts = [part.strip() for part in prompt.split(",")]
    names = {spaced(name) for name in known}
    return [part for part in parts if part in names and part not in subject]


@dataclass(frozen=True)
class Seen:
    """Of one picture: whether the subject is there, and how many of the prompt's other tags, of how many."""

    shown: bool
    found: int
    asked: int

    @property
    def share(self) -> float | None:
        """Of the prompt's other tags; None if it asks for none that the tagger knows."""
        return self.found / self.asked if self.asked else None


def seen(
    prompts: Sequence[str],
    predictions: Sequence[Mapping[str, float]],
    subject: Sequence[str],
    threshold: float,
) -> list[Seen]:
    """What each picture shows. `predictions`: every tag's score (0-1, names with spaces), in the order of
    `prompts`.
    """
    rows = []
    for prompt, tags in zip(prompts, predictions, strict=True):
        asked = asked_tags(prompt, list(tags), subject)
        found = sum(tags[tag] >= threshold for tag in asked)
        rows.append(Seen(all(tags.get(tag, 0.0) >= threshold for tag in subject), found, len(asked)))
    return rows


def score(pictures: Sequence[Seen]) -> Score:
    asked = sum(each.asked for each in pictures)
    shown = sum(each.shown for each in pictures)
    return Score(shown / len(pictures), sum(each.found for each in pictures) / asked if asked else 1.0)
