"""Predicts a training's pictures before any stage has run: `python -m stages.train --plan`.

Stages import it dynamically, so that it is not part of their code's hash: it affects no result.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.config.load import composed, read_resolved
from pipeline.errors import UserError
from pipeline.files.atomic import JsonLines
from pipeline.pictures.crop_edits import CROP_EDITS, CropEdits, read_crop_edits
from pipeline.pictures.crop_sizes import crop_sizes
from pipeline.pictures.left_out import LEFT_OUT_BY_HAND, ids_left_out, read_left_out
from pipeline.pictures.records import Record
from pipeline.preflight import run_collect
from pipeline.schemas import Config
from pipeline.training.data import Batch, EncodedData, EpochBatches, Masks, Picture
from pipeline.training.epoch_order import EpochPicture, epoch_batches
from pipeline.training.module import Denoising
from pipeline.training.planning.forecast import TrainPlan
from pipeline.training.planning.plan_text import plan_and_cost

CAPTION_GROUPS = ("collect", "crop", "tag", "filter_tags")
"""Groups whose settings change captions."""


@dataclass(frozen=True)
class Foreseen:
    """`knows_captions`: whether captions exist that were made with the current settings."""

    pictures: list[Picture]
    knows_captions: bool


def foreseen(overrides: Sequence[str], captions: Path) -> Foreseen:
    """What the earlier stages would make of the current pictures and settings."""
    config = composed(overrides, ())
    texts = {row["id"]: row for row in JsonLines(captions)} if captions.exists() else {}
    records = _collected(overrides)
    left_out = {*ids_left_out(), *read_left_out(LEFT_OUT_BY_HAND)[0]}
    edits = read_crop_edits(CROP_EDITS, lambda: (record.id for record in records), left_out)
    pictures = sorted(_cropped(records, config, edits), key=lambda picture: picture.id)
    known = _are_of_now(config) and all(each.id in texts for each in pictures if not each.shown.is_class)
    pictures = [_captioned(picture, texts.get(picture.id)) for picture in pictures]
    return Foreseen([*pictures, *_class_images(config)], known)


def _collected(overrides: Sequence[str]) -> list[Record]:
    """The records that `collect` would write. It measures new pictures and reports unusable ones."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "records.jsonl"
        if run_collect(tuple(overrides), file).returncode:
            raise UserError("a plan needs pictures; fix what `collect` reports above")
        return [Record(**row) for row in JsonLines(file)]


def _cropped(records: Iterable[Record], config: Config, edits: CropEdits) -> Iterator[Picture]:
    for record in records:
        sizes = crop_sizes(record.width_px, record.height_px, config.crop, edits.of(record.id))
        for suffix, size in sizes:
            shown = EpochPicture(record.repeats, record.is_class, size)
            name, caption = f"{record.id}{suffix}", record.caption or ""
            yield Picture(name, record.concept, caption, None, shown, record.group)


def _are_of_now(config: Config) -> bool:
    """Whether the last `compose` had the same settings for captions. Reads no model."""
    try:
        before = read_resolved()
    except UserError:
        return False
    values = config.values()
    return all(
        _without_hashes(before.get(group, {})) == _without_hashes(values[group]) for group in CAPTION_GROUPS
    )


def _without_hashes(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if not key.endswith("sha256")}


def _captioned(picture: Picture, row: dict[str, Any] | None) -> Picture:
    if row is None:
        return picture
    kinds = row.get("kinds", {})
    return replace(picture, caption=row["caption"], trigger=row.get("trigger"), kinds=kinds)


def _class_images(config: Config) -> Iterator[Picture]:
    settings = config.class_images
    for number in range(settings.count):
        name, size = f"class/{number:05}", (settings.resolution, settings.resolution)
        yield Picture(name, "class", settings.prompt, None, EpochPicture(1, True, size), name)


class UnseenBatches(EpochBatches):
    """Batches of the right shape with zero latents and uncropped pictures: a step's cost depends only on the
    shape.
    """

    def __init__(self, data: EncodedData, base: Base) -> None:
        self.data, self.epoch, self.masks = data, 0, Masks(data.encoded / "none")
        self.plan = epoch_batches(data.shown, data.batch, data.seed, 0, data.config.prior_form)
        self.base, self.shape = base, base.latents

    def __getitem__(self, number: int) -> Batch:
        buckets = [self.data.pictures[index].shown.bucket for index in self.plan[number]]
        sizes = [self.base.family.sizes(*bucket) for bucket in buckets]
        return replace(super().__getitem__(number), sizes=None if None in sizes else torch.tensor(sizes))

    def _moments(self, picture: Picture) -> Tensor:
        width, height = picture.shown.bucket
        cell_px = self.shape.cell_px
        return torch.zeros(2 * self.shape.channels, height // cell_px, width // cell_px)


def plan_of(plan: TrainPlan, module: Denoising, data: EncodedData, advice: Sequence[str], known: bool) -> str:
    """The plan as text. `known`: whether the captions are known."""
    text = plan_and_cost(plan, module, UnseenBatches(data, module.base)[0], advice)
    return text if known else f"{text}\nnot checked: captions, which these settings have not made yet"
