"""Groups of training: base, optimizer, schedule, noise, train."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pipeline.schemas.group import (
    Count,
    FileName,
    Fraction,
    Group,
    Name,
    NonEmpty,
    Positive,
    Sha256,
    Weight,
)
from pipeline.schemas.stairs import stairs_of
from pipeline.schemas.tag import CaptionKind


class BaseConfig(Group):
    NEUTRAL: ClassVar = {
        "prediction_type": None,
        "vae_precision": "fp32",
        "vae_tiles": "none",
        "t5": "own",
        "t5_tokenizer": None,
        "t5_tokens": 256,
        "text_encoders_sha256": None,
        "t5_tokenizer_sha256": None,
    }
    DERIVED: ClassVar = ("family",)

    path: NonEmpty
    family: Name | None
    prediction_type: Literal["epsilon", "v_prediction"] | None
    vae: NonEmpty | None
    vae_precision: Literal["fp32", "bf16"]
    vae_tiles: Literal["none", "drawing", "all"]
    revision: NonEmpty | None
    clip_skip: Annotated[int, Field(ge=1, le=12)]
    sha256: Sha256 | None
    vae_sha256: Sha256 | None
    t5: Literal["own", "int8", "none"]
    t5_tokenizer: NonEmpty | None
    t5_tokens: Annotated[int, Field(ge=77, le=512)]
    text_encoders_sha256: Sha256 | None
    t5_tokenizer_sha256: Sha256 | None

    @property
    def texts_identity(self) -> dict[str, object]:
        """What the text encoders' outputs follow from besides `sha256`; empty where nothing is set."""
        names = ("t5", "t5_tokenizer", "t5_tokens", "text_encoders_sha256", "t5_tokenizer_sha256")
        return {name: value for name, value in self.identity().items() if name in names}

    @classmethod
    def plain(cls, path: str, **changes: object) -> "BaseConfig":
        """The base at `path` with no other settings, for scripts and tests."""
        names = ("family", "prediction_type", "vae", "revision", "sha256", "vae_sha256")
        nothing = {**dict.fromkeys(names), **cls.NEUTRAL, "clip_skip": 1}
        return cls.model_validate({"path": path, **nothing, **changes})


Timestep = Annotated[int, Field(ge=0, le=1000)]
Scalar = bool | int | float | str | None


def _percent(value: object) -> object:
    """`5%` is 5."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,40})?%", value):
        return float(value[:-1])
    return value


def _stairs(text: str) -> str:
    stairs_of(text)
    return text


class OptimizerConfig(Group):
    NEUTRAL: ClassVar = {"text_encoder_2_lr": None}

    name: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
    lr: Weight
    text_encoder_lr: Weight
    text_encoder_2_lr: Weight | None
    weight_decay: Weight | None
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=3)] | None
    eps: Annotated[float, Field(gt=0)] | None
    arguments: dict[str, Scalar | list[Scalar]]

    def lr_of(self, key: str) -> float:
        """The rate of a part of the base, by the part's key here (pipeline/bases/parts.py)."""
        rate: float | None = getattr(self, key)
        return self.text_encoder_lr if rate is None else rate


class ScheduleConfig(Group):
    name: Literal[
        "constant",
        "constant_with_warmup",
        "linear",
        "polynomial",
        "cosine",
        "cosine_with_restarts",
        "staircase",
    ]
    warmup_percent: Annotated[float, Field(ge=0, le=100), BeforeValidator(_percent)]
    warmup_steps: Count | None
    cycles: Positive
    power: Annotated[float, Field(gt=0)]
    min_ratio: Fraction
    staircase: Annotated[NonEmpty, AfterValidator(_stairs)] | None


Debiased = Literal[False, True, "sd_scripts", "onetrainer", "exact"]
"""Off, or the formula for v-prediction; true is sd_scripts."""


class NoiseConfig(Group):
    NEUTRAL: ClassVar = {"flow_shift": None, "flow_shift_by_area": False, "flow_weighting": None}

    offset: Weight
    offset_random_strength: bool
    offset_adaptive: float
    pyramid_iterations: Count
    pyramid_discount: Fraction
    pyramid_deviation: Literal["batch", "picture"]
    perturbation: Weight
    perturbation_random_strength: bool
    zero_terminal_snr: bool
    timestep_distribution: Literal["uniform", "logit_normal", "mode", "cubic", "cubic_early"]
    timestep_mean: float
    timestep_deviation: Annotated[float, Field(gt=0)]
    timestep_mode_scale: Annotated[float, Field(ge=-1, le=1.75)]
    min_timestep: Timestep
    max_timestep: Timestep
    loss: Literal["l2", "l1", "huber", "smooth_l1"]
    huber_schedule: Literal["constant", "exponential", "snr"]
    huber_c: Annotated[float, Field(gt=0)]
    huber_scale: Annotated[float, Field(gt=0)]
    min_snr_gamma: Annotated[float, Field(gt=0)] | None
    debiased: Debiased
    scale_v_prediction: bool
    v_prediction_like: Weight
    snr_after_rescale: bool
    flow_shift: Annotated[float, Field(gt=0, le=100)] | None
    flow_shift_by_area: bool
    flow_weighting: Literal["sigma_sqrt", "cosmap", "clean"] | None


def _none_for_zero(number: int | None) -> int | None:
    return number or None


Variants = Annotated[int, Field(ge=0, le=1000)]
PriorForm = Literal["sd_scripts", "two_means"]


class TrainConfig(Group):
    NEUTRAL: ClassVar = {
        "size_conditioning": "real",
        "caption_variants": None,
        "caption_kinds": {},
        "base_precision": "same",
        "fused_backward": False,
        "stochastic_rounding": False,
        "offload": 0.0,
        "cuda_graph": False,
        "text_encoder_dropout": 0.0,
        "text_encoder_2_dropout": 0.0,
        "text_encoder_3_dropout": 0.0,
        "preservation": "none",
        "preservation_class": None,
        "preservation_weight": 1.0,
    }

    name: FileName
    epochs: Positive
    batch: Positive
    gradient_accumulation: Positive
    save_every_epochs: Positive
    text_encoder_epochs: Positive | None
    shuffle_tags: bool
    keep_tokens: Count
    keep_tokens_separator: NonEmpty | None
    caption_separator: NonEmpty
    secondary_separator: NonEmpty | None
    caption_prefix: NonEmpty | None
    caption_suffix: NonEmpty | None
    wildcards: bool
    weighted_captions: bool
    tag_dropout: Fraction
    caption_dropout: Fraction
    caption_dropout_every_epochs: Count
    text_encoder_dropout: Fraction
    text_encoder_2_dropout: Fraction
    text_encoder_3_dropout: Fraction
    caption_variants: Annotated[Variants | None, AfterValidator(_none_for_zero)]
    caption_kinds: dict[CaptionKind, Annotated[float, Field(gt=0)]]
    max_tokens: Literal[75, 150, 225]
    size_conditioning: Literal["real", "zero_crop"]
    clip_norm: Weight
    prior_loss_weight: Weight
    prior_form: PriorForm
    preservation: Literal["none", "prior", "differential"]
    preservation_class: NonEmpty | dict[NonEmpty, NonEmpty] | None
    preservation_weight: Weight
    unmasked_weight: Fraction
    normalize_masked_area: bool
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None
    precision: Literal["fp32", "bf16", "fp16", "bf16_full", "fp16_full"]
    base_precision: Literal["same", "int8"]
    gradient_checkpointing: bool
    fused_backward: bool
    stochastic_rounding: bool
    offload: Fraction
    compile: bool
    cuda_graph: bool
    save_precision: Literal["fp32", "bf16", "fp16"]
    devices: Positive
    num_nodes: Positive
    strategy: Literal["auto", "ddp", "fsdp"]
    channels_last: bool

    @property
    def encoder_dropouts(self) -> tuple[float, float, float]:
        """By text encoder."""
        return self.text_encoder_dropout, self.text_encoder_2_dropout, self.text_encoder_3_dropout

    @property
    def preserves(self) -> bool:
        """Whether steps hold the network to the base's own answers (pipeline/training/preservation.py)."""
        return self.preservation != "none" and self.preservation_weight > 0

    def identity(self) -> dict[str, Any]:
        """Where nothing is preserved, its settings change nothing."""
        values = super().identity()
        return values if self.preserves else {k: v for k, v in values.items() if not k.startswith("preserv")}
