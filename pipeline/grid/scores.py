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


def score(
    prompts: Sequence[str],
    predictions: Sequence[Mapping[str, float]],
    subject: Sequence[str],
    threshold: float,
) -> Score:
    """`predictions`: every tag's score in each picture (0-1, names with spaces), in the order of
    `prompts`.
    """
    shown = [all(tags.get(tag, 0.0) >= threshold for tag in subject) for tags in predictions]
    asked = [
        tags[tag] >= threshold
        for prompt, tags in zip(prompts, predictions, strict=True)
        for tag in asked_tags(prompt, list(tags), subject)
    ]
    return Score(sum(shown) / len(shown), sum(asked) / len(asked) if asked else 1.0)
