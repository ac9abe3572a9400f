"""Batches from data/encoded/ and data/captions/: a LightningDataModule over memory-mapped latents."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple

import lightning
import torch
from safetensors import safe_open
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset
from transformers import CLIPTokenizer

from pipeline.bases.conditioning import Conditioning
from pipeline.bases.latents import LATENT_MASKS, LATENTS
from pipeline.bases.sizes import SizeConditioning, whole
from pipeline.bases.t5_tokens import T5Tokenizer
from pipeline.bases.tokens import NO_WORDS, Words, body_ids, token_ids
from pipeline.captions.templates import fill
from pipeline.errors import UserError
from pipeline.files.atomic import read_jsonl
from pipeline.objectives.losses import prior_weights
from pipeline.schemas import TrainConfig
from pipeline.schemas.tag import USUAL_KIND
from pipeline.training.caption_kinds import drawn_kind, kind_of_variant, shown_kinds
from pipeline.training.captions import (
    as_written,
    is_dropped,
    longest_captions,
    shown_caption,
    varied_caption,
)
from pipeline.training.class_captions import class_caption, class_of
from pipeline.training.emphasis import unweighted, weighted_ids
from pipeline.training.epoch_order import EpochPicture, epoch_batches
from pipeline.training.prefetched import Prefetched


@dataclass(frozen=True)
class Picture:
    """An encoded picture and its caption."""

    id: str
    concept: str
    caption: str
    trigger: str | None
    shown: EpochPicture
    group: str = ""
    """The same for nearly equal pictures."""
    sizes: SizeConditioning | None = None
    """None if the base is not conditioned on sizes."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Captions of other kinds."""


class TextIds(NamedTuple):
    """ids and emphasis of captions as in Batch; further: T5's ids [captions, m], for a base that has one."""

    ids: Tensor
    emphasis: Tensor | None
    further: Tensor | None


@dataclass
class Batch:
    """mean, std: [batch, channels, h, w] of the VAE's posterior, scaled. ids: [batch, 77], or [batch, chunks,
    77] for long captions. weight: [batch]. step: counts batches from 0. mask: [batch, 1, h, w] in 0..1.
    conditioning: the text encoders' outputs, if they are cached. emphasis: [batch, tokens, 1] factors of
    these outputs, if captions have weights. sizes: [batch, 6], if the base is conditioned on them.
    further_ids: [batch, m] of T5, if the base has one. class_*: the same of the captions for which the
    network is held to the base (`train.preservation`).
    """

    mean: Tensor
    std: Tensor
    ids: Tensor
    weight: Tensor
    step: int
    mask: Tensor | None = None
    conditioning: Conditioning | None = None
    emphasis: Tensor | None = None
    sizes: Tensor | None = None
    further_ids: Tensor | None = None
    class_ids: Tensor | None = None
    class_conditioning: Conditioning | None = None
    class_emphasis: Tensor | None = None
    class_further_ids: Tensor | None = None

    def pin_memory(self) -> "Batch":
        """The batch in memory that a card can read by itself; torch's loader calls it."""
        pinned: dict[str, Any] = {
            name: value.pin_memory()
            for name, value in vars(self).items()
            if isinstance(value, Tensor | Conditioning)
        }
        return replace(self, **pinned)


def read_pictures(encoded: Path, captions: Path) -> list[Picture]:
    """The records of data/encoded/ with their captions. A picture without a caption is a user error."""
    texts = {row["id"]: row for row in read_jsonl(captions)}
    rows = read_jsonl(encoded / "records.jsonl")
    if missing := [row["id"] for row in rows if not row["is_class"] and row["id"] not in texts]:
        raise UserError(f"{captions}: no caption for {', '.join(missing[:5])}; run `dvc repro`")
    return [_picture(row, texts.get(row["id"], row)) for row in rows]


def _picture(row: dict[str, Any], text: dict[str, Any]) -> Picture:
    return Picture(
        id=row["id"],
        concept=row["concept"],
        caption=text["caption"],
        trigger=text.get("trigger"),
        shown=EpochPicture(row["repeats"], row["is_class"], (row["width_px"], row["height_px"])),
        group=row["group"],
        sizes=row.get("sizes"),
        kinds=text.get("kinds", {}),
    )


class EncodedData(lightning.LightningDataModule):
    """Batches whose order, captions and number depend only on the seed and the epoch.

    `words`: of the attached embeddings. `templates`: prompt templates for captions. `names`: by concept, the
    text for their [name]; class pictures and concepts without a name keep their captions.
    """

    words: Words = NO_WORDS
    templates: Sequence[str] = ()
    names: Mapping[str, str] = MappingProxyType({})

    text_outputs: Callable[[Sequence[str]], Conditioning] | None = None
    """Cached outputs of the text encoder, if any."""

    t5_tokenizer: T5Tokenizer | None = None
    """Of the base's T5, if it has one."""

    done = 0
    """Steps already done."""

    def __init__(
        self, encoded: Path, pictures: list[Picture], tokenizer: CLIPTokenizer, config: TrainConfig, seed: int
    ) -> None:
        super().__init__()
        self.encoded, self.pictures, self.tokenizer = encoded, pictures, tokenizer
        self.config, self.seed = config, seed

    @property
    def batch(self) -> int:
        """Pictures in a step of all devices together."""
        return self.config.batch * self.config.devices * self.config.num_nodes

    @property
    def shown(self) -> list[EpochPicture]:
        return [picture.shown for picture in self.pictures]

    def latents_std(self, most: int = 64) -> float:
        """Mean over at most `most` pictures, evenly spread, of their latents' standard deviation."""
        spread = self.pictures[:: -(-len(self.pictures) // most)]
        with safe_open(self.encoded / LATENTS, "pt") as file:
            means = [file.get_tensor(picture.id).chunk(2)[0] for picture in spread]
        return float(torch.stack([mean.flatten(1).std(dim=1).mean() for mean in means]).mean())

    def name_of(self, picture: Picture) -> str:
        """The name of the picture's subject in a template."""
        return "" if picture.shown.is_class else self.names.get(picture.concept, "")

    def texts(self, picture: Picture) -> dict[str, str]:
        """The picture's captions of the kinds that are shown, by kind."""
        return shown_kinds(picture.caption, picture.kinds, self.config)

    def longest_texts(self) -> list[str]:
        """Each picture's captions in their longest form."""
        lengths = {line: len(body_ids(self.tokenizer, line)) for line in self.templates}
        longest = max(lengths, key=lengths.__getitem__, default="")
        named = (
            (unweighted(text) if self.config.weighted_captions else text, self.name_of(picture))
            for picture in self.pictures
            for shown in self.texts(picture).values()
            for text in longest_captions(shown, self.config)
        )
        return [fill(longest, name, caption) if longest and name else caption for caption, name in named]

    def unseen_words(self) -> list[str]:
        """Words that no caption contains: their vectors would not be trained."""
        if not self.words:
            return []
        # A wildcard's shorter words are shown too.
        wild = self.pictures if self.config.wildcards else []
        written = [text for picture in wild for text in self.texts(picture).values()]
        named = map(self.name_of, self.pictures if self.templates else [])
        texts = {*self.longest_texts(), *written, *named}
        seen = {token for text in texts for token in body_ids(self.tokenizer, text, self.words)}
        return [word for word, ids in self.words.items() if ids[0] not in seen]

    def encodable(self, captions: list[str]) -> TextIds:
        """The captions' ids, and their tokens' weights if captions have weights. T5 reads no weights."""
        most, plain, t5 = self.config.max_tokens, captions, self.t5_tokenizer
        if self.config.weighted_captions:
            plain = [unweighted(text) for text in captions]
            ids, emphasis = weighted_ids(self.tokenizer, captions, self.words, most)
        else:
            ids, emphasis = token_ids(self.tokenizer, captions, self.words, most), None
        return TextIds(ids, emphasis, t5.ids(plain) if t5 else None)

    def train_dataloader(self) -> DataLoader[Batch] | Prefetched[Batch]:
        epoch = self.trainer.current_epoch if self.trainer else 0
        batches = EpochBatches(self, epoch)
        first = max(0, self.done - epoch * len(batches))
        # From pinned memory a batch is copied to the card while the card works.
        pins = torch.cuda.is_available()
        loader = DataLoader(Subset(batches, range(first, len(batches))), batch_size=None, pin_memory=pins)
        return Prefetched(loader) if pins else loader  # a CPU has no time left to read ahead

    def transfer_batch_to_device(
        self,
        batch: Batch,
        device: torch.device,
        dataloader_idx: int,
    ) -> Batch:
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(batch).items()
            if isinstance(value, Tensor | Conditioning)
        }
        return replace(batch, **moved)


class Masks:
    """The masks of a folder of encoded pictures, memory-mapped."""

    def __init__(self, encoded: Path) -> None:
        path = encoded / LATENT_MASKS
        self.file = safe_open(path, "pt") if path.exists() else None
        self.ids = frozenset[str](self.file.keys() if self.file else ())  # type: ignore[no-untyped-call]

    def __call__(self, ids: Sequence[str], shape: torch.Size) -> Tensor | None:
        """[ids, 1, h, w], all ones for pictures without a mask; None if no picture has one."""
        if self.file is None or self.ids.isdisjoint(ids):
            return None
        whole = torch.ones(1, *shape)
        return torch.stack([self._cells(each) if each in self.ids else whole for each in ids])

    def _cells(self, picture_id: str) -> Tensor:
        assert self.file is not None
        cells: Tensor = self.file.get_tensor(picture_id)  # type: ignore[no-untyped-call]
        return cells


class EpochBatches(Dataset[Batch]):
    """The batches of one epoch. Each depends only on its number, so a resumed run can start at any."""

    def __init__(self, data: EncodedData, epoch: int) -> None:
        self.data, self.epoch = data, epoch
        self.plan = epoch_batches(data.shown, data.batch, data.seed, epoch, data.config.prior_form)
        self.latents = safe_open(data.encoded / LATENTS, "pt")
        self.masks = Masks(data.encoded)

    def __len__(self) -> int:
        return len(self.plan)

    def _moments(self, picture: Picture) -> Tensor:
        moments: Tensor = self.latents.get_tensor(picture.id)  # type: ignore[no-untyped-call]
        return moments

    def captions(self, number: int) -> list[str]:
        """The captions of a batch, as it shows them."""
        random = Random(f"{self.data.seed}/{self.epoch}/{number}")
        return [self._caption(self.data.pictures[index], random) for index in self.plan[number]]

    def class_captions(self, number: int, captions: Sequence[str]) -> list[str]:
        """The captions for which the network is held to the base; none unless `train.preservation` is on.
        captions: as the batch shows them.
        """
        config = self.data.config
        if not config.preserves:
            return []
        chosen = [self.data.pictures[index] for index in self.plan[number]]
        return [
            class_caption(
                caption, picture.trigger, class_of(picture.concept, config) or "", config.preservation
            )
            for caption, picture in zip(captions, chosen, strict=True)
        ]

    def _caption(self, picture: Picture, random: Random) -> str:
        data, config, name = self.data, self.data.config, self.data.name_of(picture)
        if not config.caption_variants and not config.caption_kinds:
            return shown_caption(picture.caption, config, random, data.templates, name, self.epoch)
        if is_dropped(config, random, self.epoch):
            return ""
        texts, own = data.texts(picture), f"{data.seed}/{picture.id}"
        if variants := config.caption_variants:
            number = random.randrange(variants)
            kind, random = kind_of_variant(texts, config, number, own), Random(f"{own}/{number}")
        else:
            kind = drawn_kind(texts, config, random)
        settings = config if kind == USUAL_KIND else as_written(config)
        return varied_caption(texts[kind], settings, random, data.templates, name)

    def __getitem__(self, number: int) -> Batch:
        data = self.data
        chosen = [data.pictures[index] for index in self.plan[number]]
        captions = self.captions(number)
        is_class = [picture.shown.is_class for picture in chosen]
        weights = prior_weights(is_class, data.config.prior_loss_weight, data.config.prior_form)
        mean, std = torch.stack([self._moments(picture) for picture in chosen]).chunk(2, dim=1)
        text_outputs = data.text_outputs
        texts = data.encodable(captions)
        preserved = self._preserved(self.class_captions(number, captions))
        return Batch(
            mean=mean,
            std=std,
            ids=texts.ids,
            weight=torch.tensor(weights),
            step=self.epoch * len(self.plan) + number,
            mask=self.masks([picture.id for picture in chosen], mean.shape[-2:]),
            conditioning=text_outputs(captions) if text_outputs else None,
            emphasis=None if text_outputs else texts.emphasis,
            further_ids=None if text_outputs else texts.further,
            sizes=sizes_batch(chosen, data.config),
            **preserved,
        )

    def _preserved(self, captions: list[str]) -> dict[str, Any]:
        """Fields of the batch; none without captions."""
        if not captions:
            return {}
        if self.data.text_outputs:
            return {"class_conditioning": self.data.text_outputs(captions)}
        texts = self.data.encodable(captions)
        return {
            "class_ids": texts.ids,
            "class_emphasis": texts.emphasis,
            "class_further_ids": texts.further,
        }


def sizes_batch(pictures: Sequence[Picture], config: TrainConfig) -> Tensor | None:
    """[pictures, 6]; None if the base is not conditioned on sizes."""
    sizes = [picture.sizes for picture in pictures]
    if None in sizes:
        return None
    if config.size_conditioning == "zero_crop":
        return torch.tensor([whole(*picture.shown.bucket) for picture in pictures])
    return torch.tensor(sizes)
