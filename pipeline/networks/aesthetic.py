"""Aesthetic embedding (Gallego 2022, arXiv 2209.12330): the mean of CLIP's embeddings of a set of pictures.
It changes no weight of the base; pipeline/drawing/aesthetic.py applies it to a prompt.

Our file has everything that drawing needs: the embedding, CLIP's text projection, and the steps in its
header. The .pt next to it is for AUTOMATIC1111's extension and has only the embedding.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from torch import Tensor, nn

from pipeline.bases.base import Base
from pipeline.bases.parts import Part
from pipeline.errors import UserError
from pipeline.files.aesthetic_file import write_aesthetic
from pipeline.files.damage import reporting_damage
from pipeline.files.json_text import parse_json
from pipeline.files.kinds import AESTHETIC_KEY
from pipeline.files.safetensors_file import read_safetensors
from pipeline.networks.trained import Trainable
from pipeline.schemas import AestheticConfig

MOST_AESTHETIC_STEPS = 10_000
PROJECTION_KEY, SETTINGS_KEY = "text_projection", "athanor.aesthetic"


class AestheticEmbedding(nn.Module, Trainable):
    """embedding: [1, projection]; projection: CLIP's [projection, width]; network_weight: 0 to 1."""

    network_weight: float = 1.0
    embedding: Tensor
    projection: Tensor

    def __init__(self, embedding: Tensor, projection: Tensor, steps: int, lr: float, slerp: bool) -> None:
        super().__init__()
        self.register_buffer("embedding", embedding.float())
        self.register_buffer("projection", projection.float())
        self.steps, self.lr, self.slerp = steps, lr, slerp

    @classmethod
    def of_pictures(
        cls, config: AestheticConfig, pictures: Iterable[Image.Image], base: Base
    ) -> "AestheticEmbedding":
        """The mean of the pictures. Raises UserError if the CLIP is not that of the base's text encoder."""
        from pipeline.vision.clip_pictures import load_clip, mean_embedding

        folder = Path(config.clip)
        projection = load_clip(folder).text_projection.weight.detach()
        check_width(projection, base, f"network.clip {config.clip}")
        return cls(mean_embedding(folder, pictures), projection, config.steps, config.lr, config.slerp)

    @classmethod
    def create(cls, config: AestheticConfig, base: Base, seed: int) -> "AestheticEmbedding":
        raise NotImplementedError("it is made of pictures, by `of_pictures`")

    @classmethod
    def load(cls, path: Path, base: Base) -> "AestheticEmbedding":
        """From a file of ours. Raises UserError if it has no CLIP projection, or is for another base."""
        tensors, metadata = read_safetensors(path)
        if PROJECTION_KEY not in tensors or SETTINGS_KEY not in metadata:
            raise UserError(
                f"{path} has only an aesthetic embedding, without CLIP's projection and the settings; make it"
                " again from its pictures: `use: {network: aesthetic}` in params.yaml"
            )
        check_width(tensors[PROJECTION_KEY], base, str(path))
        with reporting_damage(f"{path}: its settings are not an aesthetic embedding's"):
            steps, lr, slerp = (parse_json(metadata[SETTINGS_KEY])[key] for key in ("steps", "lr", "slerp"))
            if type(steps) is not int or not 0 <= steps <= MOST_AESTHETIC_STEPS or not 0 <= lr <= 1:
                raise ValueError("steps or lr is out of range")
            return cls(tensors[AESTHETIC_KEY], tensors[PROJECTION_KEY], steps, float(lr), bool(slerp))

    def part_parameters(self, part: Part) -> list[nn.Parameter]:  # noqa: ARG002
        """Empty: nothing is trained."""
        return []

    def num_modules(self) -> int:
        return 0

    def set_weight(self, weight: float) -> None:
        self.network_weight = weight

    @contextmanager
    def attached(self, base: Base) -> Iterator[None]:  # noqa: ARG002
        """Leaves the base unchanged; the steps act on each prompt."""
        yield

    def write_other_layouts(self, stem: Path, step: int) -> None:  # noqa: ARG002
        """Writes the .pt of AUTOMATIC1111's extension."""
        write_aesthetic(stem.with_name(f"{stem.name}.pt"), self.embedding.cpu())

    def file_tensors(self, precision: str) -> dict[str, Tensor]:  # noqa: ARG002
        """In float32, whatever the precision: a mean of few numbers."""
        return {AESTHETIC_KEY: self.embedding.cpu(), PROJECTION_KEY: self.projection.cpu()}

    def metadata(self) -> dict[str, str]:
        settings = {"steps": self.steps, "lr": self.lr, "slerp": self.slerp}
        return {"format": "pt", SETTINGS_KEY: json.dumps(settings, sort_keys=True)}


def check_width(projection: Tensor, base: Base, where: str) -> None:
    """Raises UserError if the projection's width is not that of the base's text encoder."""
    width = base.text_encoders[0].config.hidden_size
    if projection.shape[1] != width:
        raise UserError(
            f"{where}: its text encoder is {projection.shape[1]} wide, the base's {width}; use the CLIP"
            " model that the base's text encoder comes from (SD 1.x: openai/clip-vit-large-patch14)"
        )
