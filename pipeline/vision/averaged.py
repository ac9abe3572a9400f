"""Scores of pictures in memory, such as generated ones, by all configured taggers."""

from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from pipeline.captions.ensemble import Ensemble
from pipeline.captions.interrogation import Interrogator, interrogate
from pipeline.captions.labels import TagScores, named_scores
from pipeline.captions.text import spaced
from pipeline.schemas import TagConfig
from pipeline.vision.taggers import open_tagger, tag_models


class AveragedTaggers:
    """The taggers of `tag.model`, averaged."""

    def __init__(self, config: TagConfig) -> None:
        self.batch = config.batch
        self.taggers = [open_tagger(model, config.batch) for model in tag_models(config)]
        self.ensemble = Ensemble([tagger.about.labels for tagger in self.taggers])

    def tags(self, pictures: Sequence[Image.Image]) -> list[dict[str, float]]:
        """Every label's score of each picture, by its name with spaces."""
        each = [self._scores(tagger, pictures) for tagger in self.taggers]
        return [_spaced(self.ensemble.mean(scores, 0.0)) for scores in zip(*each, strict=True)]

    def _scores(self, tagger: Interrogator, pictures: Sequence[Image.Image]) -> Iterator[TagScores]:
        def named(_: Image.Image, scores: Any) -> TagScores:
            return named_scores(tagger.about.labels, scores, 0.0)

        return interrogate(tagger, pictures, lambda picture: picture, named, self.batch)


def _spaced(scores: TagScores) -> dict[str, float]:
    return {spaced(name): score for tags in scores.values() for name, score in tags.items()}
