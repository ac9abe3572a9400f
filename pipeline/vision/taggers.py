"""Opens the configured taggers, each by its kind."""

from pathlib import Path

from pipeline.captions.interrogation import About, Interrogator
from pipeline.captions.layouts import EXPECTED
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.schemas import TagConfig
from pipeline.vision.models import TAGGER_FILES, VisionModel, located


def tag_models(config: TagConfig) -> list[VisionModel]:
    """The taggers of `tag.model`, each checked against its hash."""
    names = [config.model] if isinstance(config.model, str) else config.model or []
    hashes = config.sha256 if isinstance(config.sha256, list) else [config.sha256] * len(names)
    return [
        located("tag.model", name, digest, TAGGER_FILES) for name, digest in zip(names, hashes, strict=True)
    ]


def open_tagger(model: VisionModel, batch: int, known: About | None = None) -> Interrogator:
    """An ONNX tagger, or DeepDanbooru's torch weights; anything else is a user error. `known`: facts already
    known of the same model.
    """
    with reporting_damage(f"tag.model {model.name} is not a readable tagger"):
        return _open(model, batch, known)


def _open(model: VisionModel, batch: int, known: About | None) -> Interrogator:
    if weights := _torch_weights(model.path):
        from pipeline.vision.deepdanbooru import TorchDeepDanbooru

        return TorchDeepDanbooru(weights, batch)
    if model.path.is_file():
        raise UserError(
            f"tag.model {model.name}: name its folder, since the label file is needed too; {EXPECTED}"
        )
    from pipeline.captions.onnx_tagger import OnnxTagger

    return OnnxTagger(model.path, batch, known)


def _torch_weights(path: Path) -> Path | None:
    """The .pt file at the path, or the only one in a folder without .onnx files."""
    files = [path] if path.is_file() else sorted(path.glob("*.pt"))
    if len(files) != 1 or files[0].suffix != ".pt" or list(path.glob("*.onnx")):
        return None
    return files[0]
