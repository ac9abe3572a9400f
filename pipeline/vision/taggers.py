"""Opens taggers by what they are, and makes one of several."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.captions.ensemble import Ensemble
from pipeline.captions.interrogation import About, Interrogator, interrogate
from pipeline.captions.labels import Scores, named_scores
from pipeline.captions.layouts import WANTED
from pipeline.captions.rules import spaced
from pipeline.config.schemas import Tag
from pipeline.errors import UserError
from pipeline.vision.models import TAGGER_FILES, Model, located


def tag_models(config: Tag) -> list[Model]:
    """The taggers of `tag.model`, each held against its hash."""
    names = [config.model] if isinstance(config.model, str) else config.model or []
    hashes = config.sha256 if isinstance(config.sha256, list) else [config.sha256] * len(names)
    return [
        located("tag.model", name, wanted, TAGGER_FILES) for name, wanted in zip(names, hashes, strict=True)
    ]


def open_tagger(model: Model, batch: int, known: About | None = None) -> Interrogator:
    """An ONNX tagger, or DeepDanbooru's torch weights; what is neither is a user error. `known`: what the
    same model was found to be before.
    """
    if weights := _torch_weights(model.path):
        from pipeline.vision.deepdanbooru import TorchDeepDanbooru

        return TorchDeepDanbooru(weights, batch)
    if model.path.is_file():
        raise UserError(f"tag.model {model.name}: name the folder, the label file is needed too; {WANTED}")
    from pipeline.captions.onnx_tagger import OnnxTagger

    return OnnxTagger(model.path, batch, known)


def _torch_weights(path: Path) -> Path | None:
    """The .pt file at the path, or the one that lies in the folder where there is no .onnx file."""
    found = [path] if path.is_file() else sorted(path.glob("*.pt"))
    if len(found) != 1 or found[0].suffix != ".pt" or list(path.glob("*.onnx")):
        return None
    return found[0]


class Taggers:
    """The taggers of `tag.model`, averaged."""

    def __init__(self, config: Tag) -> None:
        self.batch = config.batch
        self.taggers = [open_tagger(model, config.batch) for model in tag_models(config)]
        self.ensemble = Ensemble([tagger.about.labels for tagger in self.taggers])

    def tags(self, pictures: Sequence[Image.Image]) -> list[dict[str, float]]:
        """Every label's score of each picture, by its name with spaces."""
        each = [self._scores(tagger, pictures) for tagger in self.taggers]
        return [_spaced(self.ensemble.mean(found, 0.0)) for found in zip(*each, strict=True)]

    def _scores(self, tagger: Interrogator, pictures: Sequence[Image.Image]) -> Iterator[Scores]:
        def named(_: Image.Image, scores: Any) -> Scores:
            return named_scores(tagger.about.labels, scores, 0.0)

        return interrogate(tagger, pictures, lambda picture: picture, named, self.batch)


def _spaced(scores: Scores) -> dict[str, float]:
    return {spaced(name): score for tags in scores.values() for name, score in tags.items()}
