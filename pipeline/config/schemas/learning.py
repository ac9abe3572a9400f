"""Groups of training: base, optimizer, schedule, noise, train."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.schemas.group import Group, Name, NonEmpty, Positive, Sha256, Share, Weight


class Base(Group):
    path: NonEmpty
    vae: NonEmpty | None
    revision: NonEmpty | None
    clip_skip: Annotated[int, Field(ge=1, le=12)]
    sha256: Sha256 | None
    vae_sha256: Sha256 | None


class Optimizer(Group):
    name: Literal["adamw"]
    lr: Weight
    text_encoder_lr: Weight
    weight_decay: Weight
    betas: Annotated[list[Share], Field(min_length=2, max_length=2)]
    eps: Annotated[float, Field(gt=0)]


class Schedule(Group):
    name: Literal["constant", "linear", "cosine"]
    warmup_percent: Annotated[float, Field(ge=0, le=100)]


class Noise(Group):
    offset: Weight
    min_snr_gamma: Annotated[float, Field(gt=0)] | None


class Train(Group):
    name: Name
    epochs: Positive
    batch: Positive
    save_every_epochs: Positive
    shuffle_tags: bool
    keep_tokens: Annotated[int, Field(ge=0)]
    caption_dropout: Share
    clip_norm: Weight
    prior_loss_weight: Weight
    precision: Literal["fp32", "bf16", "fp16"]
    save_precision: Literal["fp32", "bf16", "fp16"]
