"""What a run could change to need less memory, the least harmful first: what leaves every number as it is,
then what does not.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipeline.bases.registry import families
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.config.rules import contradictions
from pipeline.config.rules.train import made_of_exact_weights
from pipeline.config.rules.weight_by_weight import updates_singly
from pipeline.device import best_device, shares_memory
from pipeline.schemas import CheckpointConfig, Config
from pipeline.training.planning.optimizer_state import has_eight_bits

T5_FAMILIES = frozenset(name for name, facts in families().items() if facts.has_t5)
IN_16_BITS = {"train.precision": "bf16"}
_FUSED = {"train.fused_backward": True, "train.clip_norm": 0.0}


@dataclass(frozen=True)
class Lever:
    """text: the setting and what it costs; values: the same by dotted keys; none where a person chooses."""

    text: str
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def setting(self) -> str:
        """The text without what it costs."""
        return self.text.partition(",")[0].partition(" (")[0]


Maker = Callable[[Config], Iterator[Lever]]


def levers_of(config: Config, but: Container[str] = ()) -> list[Lever]:
    """Settings that are not used yet. Each goes together with the run's other settings and with the levers
    before it; one that contradicts them is left out, as is one that changes a key of `but`.
    """
    found, run = list[Lever](), config
    for make in MAKERS:
        for lever in make(config):
            changed = pulled(config, [lever])
            is_free = all(key not in but for key, _ in lever.values)
            if is_free and goes_together(changed, run):
                found.append(lever)
                config = changed
    return found


def goes_together(changed: Config, run: Config) -> bool:
    """Whether its settings contradict each other in nothing that those of `run` do not."""
    return set(contradictions(_whole(run))).issuperset(contradictions(_whole(changed)))


def _whole(config: Config) -> Config:
    """With defaults for groups that the stage does not read: rules ask for them, and no lever changes one."""
    if config.model_fields_set >= Config.model_fields.keys():
        return config
    groups = {group: getattr(config, group) for group in config.model_fields_set}
    return Config.model_construct(
        **{name: getattr(_defaults(), name) for name in Config.model_fields} | groups
    )


@cache
def _defaults() -> Config:
    return check(compose(Params({}, {})))


def _precision(config: Config) -> Iterator[Lever]:
    """First, though it rounds: every trainer's usual setting, and twice as fast."""
    if config.train.precision == "fp32":
        text = "train.precision: bf16 (fp16 on cards before RTX 30), half of the base's memory"
        yield Lever(text, tuple(IN_16_BITS.items()))


def _checkpointing(config: Config) -> Iterator[Lever]:
    if not config.train.gradient_checkpointing:
        text = "train.gradient_checkpointing: true, the same result a quarter slower"
        yield Lever(text, (("train.gradient_checkpointing", True),))


def _exact_fused(config: Config) -> Iterator[Lever]:
    if could_fuse(config) and not config.train.clip_norm:
        also, missing = _missing(config, {"train.cuda_graph": False})
        text = f"train.fused_backward: true{also}, the same result, no room for gradients"
        yield Lever(text, (("train.fused_backward", True), *missing))


def _batch(config: Config) -> Iterator[Lever]:
    train = config.train
    least = 2 if train.prior_form == "two_means" and train.batch % 2 == 0 else 1
    if train.batch <= least:
        return
    if train.fused_backward or could_fuse(config):  # which collects no gradients: a person chooses
        yield Lever("a smaller train.batch, other updates")
        return
    updates = train.batch * train.gradient_accumulation // least
    text = f"train.batch: {least} with train.gradient_accumulation: {updates}, the same updates, slower"
    yield Lever(text, (("train.batch", least), ("train.gradient_accumulation", updates)))


def _offload(config: Config) -> Iterator[Lever]:
    """Half of the blocks, then all of them; a recorded or compiled step would have to go. Where the device
    shares the machine's memory, nothing is won.
    """
    train = config.train
    if shares_memory(best_device()):
        return
    also, missing = _missing(
        config, {"train.gradient_checkpointing": True, "train.cuda_graph": False, "train.compile": False}
    )
    for share in (0.5, 1.0):
        if train.offload < share:
            text = f"train.offload: {share:g}{also}, the same result slower"
            yield Lever(text, (("train.offload", share), *missing))


def _missing(config: Config, needed: Mapping[str, bool]) -> tuple[str, list[tuple[str, bool]]]:
    """Those of a lever's conditions that the run does not meet, in words and as values."""
    missing = [(key, value) for key, value in needed.items() if getattr(config.train, key[6:]) != value]
    return "".join(f", with {key}: {str(value).lower()}" for key, value in missing), missing


def _fused(config: Config) -> Iterator[Lever]:
    if could_fuse(config):
        also, missing = _missing(config, {"train.cuda_graph": False})
        text = f"train.fused_backward: true with train.clip_norm: 0{also}, no room for gradients"
        yield Lever(text, (*_FUSED.items(), *missing))


def could_fuse(config: Config) -> bool:
    """Whether a fused backward pass would help and is not used; a recorded step would have to go."""
    is_whole = isinstance(config.network, CheckpointConfig)
    goes = config.train.strategy == "auto" and not config.train.fused_backward
    return is_whole and goes and updates_singly(config)


def _eight_bit_state(config: Config) -> Iterator[Lever]:
    if config.optimizer.name == "adamw" and has_eight_bits():
        text = "use.optimizer: adamw8bit, a quarter of the optimiser's memory"
        yield Lever(text, (("optimizer.name", "adamw8bit"),))


def _without_mean(config: Config) -> Iterator[Lever]:
    if config.train.ema_decay is not None:
        text = "train.ema_decay: null, the last weights in place of their running mean"
        yield Lever(text, (("train.ema_decay", None),))


def _unet_alone(config: Config) -> Iterator[Lever]:
    network = config.network
    if getattr(network, "text_encoder", False) and getattr(network, "unet", False):
        text = "network.text_encoder: false, which trains the U-Net alone"
        yield Lever(text, (("network.text_encoder", False),))


def _eight_bit_base(config: Config) -> Iterator[Lever]:
    if config.train.base_precision == "same" and made_of_exact_weights(config) is None:
        text = "train.base_precision: int8, a base that is off by half a percent"
        yield Lever(text, (("train.base_precision", "int8"),))


def _eight_bit_t5(config: Config) -> Iterator[Lever]:
    if config.base.t5 == "own" and config.base.family in T5_FAMILIES:
        yield Lever("base.t5: int8, half of T5's memory", (("base.t5", "int8"),))


def _rounded(config: Config) -> Iterator[Lever]:
    in_fp32 = getattr(config.network, "weight_precision", "") == "fp32" and config.train.precision == "bf16"
    if in_fp32:
        text = "network.weight_precision: bf16 with train.stochastic_rounding: true, coarser weights"
        yield Lever(text, (("network.weight_precision", "bf16"), ("train.stochastic_rounding", True)))


def _without_scaling(config: Config) -> Iterator[Lever]:
    """Cards before RTX 30 take fp16, whose scaled gradients forbid what saves most of a checkpoint."""
    if isinstance(config.network, CheckpointConfig) and config.train.precision.startswith("fp16"):
        yield Lever("train.precision: bf16 or fp32, which train.fused_backward and train.offload need")


def _other_optimizer(config: Config) -> Iterator[Lever]:
    is_whole = isinstance(config.network, CheckpointConfig)
    if is_whole and config.optimizer.name not in ("adamw", "adamw8bit", "adafactor", "sgd"):
        yield Lever("use.optimizer: adafactor or adamw8bit, which keep less for each weight")


def _smaller(config: Config) -> Iterator[Lever]:  # noqa: ARG001
    yield Lever("a smaller crop.resolution")


MAKERS: tuple[Maker, ...] = (
    _precision, _checkpointing, _exact_fused, _batch, _offload,
    _eight_bit_state, _fused, _offload, _eight_bit_t5, _without_mean, _unet_alone, _eight_bit_base, _rounded,
    _without_scaling, _other_optimizer, _smaller,
)  # fmt: skip
"""In order of harm. A checkpoint's blocks can wait outside only with a fused backward pass, so that the
offload comes again after it.
"""


def levers(config: Config) -> list[str]:
    """Each with what it costs. Of the shares of one setting only the first is named."""
    first = {each.text.partition(":")[0]: each.text for each in reversed(levers_of(config))}
    return list(reversed(first.values()))


def pulled(config: Config, chosen: Sequence[Lever]) -> Config:
    """The configuration with the levers' values."""
    for key, value in (pair for lever in chosen for pair in lever.values):
        group, _, name = key.partition(".")
        changed = getattr(config, group).model_copy(update={name: value})
        config = config.model_copy(update={group: changed})
    return config


def out_of_memory(config: Config, is_kept: bool) -> str:
    """A sentence for a device that is too small. is_kept: whether there is a checkpoint of the run."""
    cures = "; then ".join(levers(config))
    kept = (
        "The last checkpoint is kept: with unchanged settings `dvc repro` carries on from it"
        if is_kept
        else "Nothing was kept: there was no checkpoint yet"
    )
    return (
        f"the device's memory is full; close other programs that use it, or set in params.yaml {cures}."
        f" {kept}"
    )
