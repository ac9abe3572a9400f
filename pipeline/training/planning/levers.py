"""What a run could change to need less memory, the least harmful first. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config.rules.offload import could_offload
from pipeline.config.rules.train import made_of_exact_weights
from pipeline.config.rules.weight_by_weight import updates_singly
from pipeline.schemas import CheckpointConfig, Config


@dataclass(frozen=True)
class Lever:
    """text: the setting and what it costs; values: the same by dotted keys; none where a person chooses."""

    text: str
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def setting(self) -> str:
        """The text without what it costs."""
        return self.text.partition(",")[0].partition(" (")[0]


def levers_of(config: Config) -> list[Lever]:
    """Settings that are not used yet."""
    return [*_exact(config), *_of_updates(config), *_coarse(config), Lever("a smaller crop.resolution")]


def _exact(config: Config) -> Iterator[Lever]:
    train = config.train
    if train.precision == "fp32":
        text = "train.precision: bf16 (fp16 on cards before RTX 30), half of the base's memory"
        yield Lever(text, (("train.precision", "bf16"),))
    if not train.gradient_checkpointing:
        text = "train.gradient_checkpointing: true, the same result a quarter slower"
        yield Lever(text, (("train.gradient_checkpointing", True),))
    if could_fuse(config):
        text = "train.fused_backward: true with train.clip_norm: 0, no room for gradients"
        yield Lever(text, (("train.fused_backward", True), ("train.clip_norm", 0.0)))


def could_fuse(config: Config) -> bool:
    """Whether a fused backward pass would help and is not used."""
    is_whole = isinstance(config.network, CheckpointConfig)
    return is_whole and not config.train.fused_backward and updates_singly(config)


def _of_updates(config: Config) -> Iterator[Lever]:
    train = config.train
    if train.batch > 1:
        updates = train.batch * train.gradient_accumulation
        text = f"train.batch: 1 with train.gradient_accumulation: {updates}, the same updates, slower"
        collected = (("train.batch", 1), ("train.gradient_accumulation", updates))
        # A fused backward pass collects no gradients: there a person chooses.
        yield Lever(text, () if train.fused_backward or could_fuse(config) else collected)
    if config.optimizer.name == "adamw":
        text = "use.optimizer: adamw8bit, a quarter of the optimiser's memory"
        yield Lever(text, (("optimizer.name", "adamw8bit"),))


def _coarse(config: Config) -> Iterator[Lever]:
    network = config.network
    if getattr(network, "text_encoder", False) and getattr(network, "unet", False):
        text = "network.text_encoder: false, which trains the U-Net alone"
        yield Lever(text, (("network.text_encoder", False),))
    if config.train.base_precision == "same" and made_of_exact_weights(config) is None:
        text = "train.base_precision: int8, a base that is off by half a percent"
        yield Lever(text, (("train.base_precision", "int8"),))
    in_fp32 = getattr(network, "weight_precision", "") == "fp32" and config.train.precision == "bf16"
    if in_fp32 and updates_singly(config):
        text = "network.weight_precision: bf16 with train.stochastic_rounding: true, coarser weights"
        yield Lever(text, (("network.weight_precision", "bf16"), ("train.stochastic_rounding", True)))
    if 0 < config.train.offload < 1:
        yield Lever("train.offload: 1, the same result slower", (("train.offload", 1.0),))
    if not config.train.offload and could_offload(config):
        also = "" if config.train.gradient_checkpointing else ", with train.gradient_checkpointing: true"
        text = f"train.offload: 0.5 (up to 1){also}, the same result slower"
        yield Lever(text, (("train.offload", 0.5), ("train.gradient_checkpointing", True)))


def levers(config: Config) -> list[str]:
    """Each with what it costs."""
    return [each.text for each in levers_of(config)]


def pulled(config: Config, chosen: Sequence[Lever]) -> Config:
    """The configuration with the levers' values."""
    for key, value in (pair for lever in chosen for pair in lever.values):
        group, _, name = key.partition(".")
        changed = getattr(config, group).model_copy(update={name: value})
        config = config.model_copy(update={group: changed})
    return config


def out_of_memory(config: Config) -> str:
    """A sentence for a device that is too small."""
    cures = "; then ".join(levers(config))
    return (
        f"the device's memory is full; close other programs that use it, or set in params.yaml {cures}."
        " The last checkpoint is kept: with unchanged settings `dvc repro` carries on from it"
    )
