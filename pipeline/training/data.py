"""data/encoded/ and data/captions/ as batches: a LightningDataModule over latents that are mapped into
memory, not loaded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import lightning
import torch
from safetensors import safe_open
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from transformers import CLIPTokenizer

from pipeline.base.conditioning import token_ids
from pipeline.base.encoding import LATENTS
from pipeline.config.schemas import Train
from pipeline.errors import UserError
from pipeline.files.atomic import read_jsonl
from pipeline.training.captions import shown_caption
from pipeline.training.plan import Shown, epoch_batches


@dataclass(frozen=True)
class Picture:
    """An encoded picture and its caption."""

    id: str
    concept: str
    caption: str
    trigger: str | None
    width_px: int
    height_px: int
    shown: Shown


@dataclass
class Batch:
    """mean, std: [batch, 4, h, w] of the VAE's posterior, scaled; ids: [batch, 77]; weight: [batch]; step
    counts from 0.
    """

    mean: Tensor
    std: Tensor
    ids: Tensor
    weight: Tensor
    step: int


def read_pictures(encoded: Path, captions: Path) -> list[Picture]:
    """Records of data/encoded/ with their captions; a picture without one is a user error."""
    texts = {row["id"]: row for row in read_jsonl(captions)}
    rows = read_jsonl(encoded / "records.jsonl")
    if missing := [row["id"] for row in rows if not row["is_class"] and row["id"] not in texts]:
        raise UserError(
            f"{captions}: no caption for {', '.join(missing[:5])}; run `dvc"
            " repro` so that captions and pictures agree"
        )
    return [_picture(row, texts.get(row["id"], row)) for row in rows]


def _picture(row: dict[str, Any], text: dict[str, Any]) -> Picture:
    return Picture(
        id=row["id"],
        concept=row["concept"],
        caption=text["caption"],
        trigger=text.get("trigger"),
        width_px=row["width_px"],
        height_px=row["height_px"],
        shown=Shown(row["repeats"], row["is_class"]),
    )


class EncodedData(lightning.LightningDataModule):
    """Batches whose order, captions and size follow from the seed and the epoch alone."""

    def __init__(
        self, encoded: Path, pictures: list[Picture], tokenizer: CLIPTokenizer, config: Train, seed: int
    ) -> None:
        super().__init__()
        self.encoded, self.pictures, self.tokenizer, self.config, self.seed = (
            encoded,
            pictures,
            tokenizer,
            config,
            seed,
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        epoch = self.trainer.current_epoch if self.trainer else 0
        return DataLoader(_Epoch(self, epoch), batch_size=None)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:  # noqa: ARG002
        tensors = (batch.mean, batch.std, batch.ids, batch.weight)
        mean, std, ids, weight = (tensor.to(device, non_blocking=True) for tensor in tensors)
        return Batch(mean, std, ids, weight, batch.step)

    @property
    def shown(self) -> list[Shown]:
        return [picture.shown for picture in self.pictures]

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch."""
        plan = epoch_batches(self.shown, self.config.batch, self.seed, epoch)
        random = Random(f"{self.seed}/{epoch}/captions")
        with safe_open(self.encoded / LATENTS, "pt") as file:
            for number, indices in enumerate(plan):
                chosen = [self.pictures[index] for index in indices]
                moments = torch.stack([file.get_tensor(picture.id) for picture in chosen])
                captions = [shown_caption(picture.caption, self.config, random) for picture in chosen]
                weight = torch.tensor(
                    [self.config.prior_loss_weight if picture.shown.is_class else 1.0 for picture in chosen]
                )
                mean, std = moments.chunk(2, dim=1)
                yield Batch(
                    mean, std, token_ids(self.tokenizer, captions), weight, epoch * len(plan) + number
                )


class _Epoch(IterableDataset[Batch]):
    def __init__(self, data: EncodedData, epoch: int) -> None:
        self.data, self.epoch = data, epoch

    def __iter__(self) -> Iterator[Batch]:
        return self.data.batches(self.epoch)

    def __len__(self) -> int:
        return len(epoch_batches(self.data.shown, self.data.config.batch, self.data.seed, self.epoch))
