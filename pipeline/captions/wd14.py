"""Taggers in WD14's format: an ONNX network and selected_tags.csv.

The contract (SmilingWolf's models, as read by kohya-ss/sd-scripts finetune/tag_images_by_wd14_tagger.py):
NHWC float32, BGR, 0..255, the picture centred on a white square; out come probabilities, one a row of the
CSV. Category 9 is a rating, 0 general, 4 a character.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from pipeline.captions.rules import spaced
from pipeline.errors import UserError

PREPROCESSING = "white-square-bicubic-bgr"
"""Names what is done to a picture before the network sees it; tags of two preprocessings cannot be
compared.
"""
CATEGORIES = {0: "general", 3: "copyright", 4: "character", 9: "rating"}
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Label:
    """A row of selected_tags.csv."""

    name: str
    category: str


class Wd14Tagger:
    """Scores pictures. `folder` holds model.onnx and selected_tags.csv."""

    def __init__(self, folder: Path) -> None:
        for name in ("model.onnx", "selected_tags.csv"):
            if not (folder / name).is_file():
                raise UserError(
                    f"tag.model {folder}: no {name} in it; it must be a folder"
                    " with model.onnx and selected_tags.csv"
                )
        self.labels = read_labels(folder / "selected_tags.csv")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=onnxruntime.get_available_providers()
        )
        self.input = self.session.get_inputs()[0]
        fixed, self.side_px = self.input.shape[0], int(self.input.shape[1])
        self.fixed_batch = fixed if isinstance(fixed, int) else None

    def scores(self, pictures: Iterable[Image.Image], batch: int) -> Iterator[NDArray[np.float32]]:
        """[labels] probabilities of each picture, `batch` pictures a call."""
        remaining = iter(pictures)
        while some := list(islice(remaining, self.fixed_batch or batch)):
            x = np.stack([prepare(picture, self.side_px) for picture in some])
            output: NDArray[np.float32] = self.session.run(None, {self.input.name: x})[0]
            if output.shape[1] != len(self.labels):
                raise UserError(
                    f"the tagger gives {output.shape[1]} scores, but selected_tags.csv has"
                    f" {len(self.labels)} rows; they do not belong together"
                )
            yield from output

    def tags(self, pictures: Iterable[Image.Image], batch: int) -> list[dict[str, float]]:
        """Every label's score of each picture, by its name with spaces."""
        names = [spaced(label.name) for label in self.labels]
        return [dict(zip(names, row.tolist(), strict=True)) for row in self.scores(pictures, batch)]


def prepare(picture: Image.Image, side_px: int) -> NDArray[np.float32]:
    """[side, side, 3] BGR 0..255: the picture in the middle of a white square."""
    longest = max(picture.size)
    square = Image.new("RGB", (longest, longest), WHITE)
    square.paste(picture, ((longest - picture.width) // 2, (longest - picture.height) // 2))
    resized = square.resize((side_px, side_px), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(resized, np.float32)[:, :, ::-1])


def read_labels(path: Path) -> list[Label]:
    """Rows of selected_tags.csv in the network's order."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"name", "category"} <= rows[0].keys():
        raise UserError(f"{path}: needs the columns tag_id,name,category,count")
    return [Label(row["name"], CATEGORIES.get(int(row["category"]), "general")) for row in rows]


def named_scores(
    labels: Sequence[Label], scores: NDArray[np.float32], min_score: float
) -> dict[str, dict[str, float]]:
    """{category: {name: score}} of the scores from `min_score` up, to five decimals."""
    named: dict[str, dict[str, float]] = {}
    for label, score in zip(labels, scores.tolist(), strict=True):
        if score >= min_score:
            named.setdefault(label.category, {})[label.name] = round(score, 5)
    return named
