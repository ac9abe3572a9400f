"""Rules of train.fused_backward and train.stochastic_rounding, which update one weight at a time."""

from pipeline.schemas import CheckpointConfig, Config

BY_WEIGHT = ("adamw", "adamw8bit", "lion", "adafactor", "sgd")
"""Optimisers that keep everything by weight; those that find their own rate, and schedule-free, keep
numbers of all weights together.
"""


def updates_singly(config: Config) -> bool:
    """Whether a fused backward pass gives this training's result, but for clipping."""
    train = config.train
    one = train.devices * train.num_nodes == 1 and train.gradient_accumulation == 1
    return one and not train.precision.startswith("fp16") and _by_weight(config.optimizer.name)


def _by_weight(name: str) -> bool:
    return name in BY_WEIGHT or (name.startswith("torch.optim.") and name != "torch.optim.LBFGS")


def weight_by_weight_contradictions(config: Config) -> list[str]:
    """Settings that contradict an update of one weight at a time."""
    return [*_optimizer(config), *_fused(config), *_rounded(config)]


def _optimizer(config: Config) -> list[str]:
    train, name = config.train, config.optimizer.name
    return [
        f"train.{key} updates one weight at a time, but optimizer.name {name} works on all together; use"
        f" {', '.join(BY_WEIGHT)} or a class of torch.optim, or set train.{key} to false"
        for key in ("fused_backward", "stochastic_rounding")
        if getattr(train, key) and not _by_weight(name)
    ]


def _fused(config: Config) -> list[str]:
    train, problems = config.train, []
    if not train.fused_backward:
        return []
    if train.clip_norm:
        problems.append(
            f"train.clip_norm {train.clip_norm:g} needs all gradients at once, which train.fused_backward"
            " does not keep; set train.clip_norm to 0 (adafactor bounds its steps itself)"
        )
    if train.gradient_accumulation > 1:
        problems.append(
            f"train.gradient_accumulation {train.gradient_accumulation} collects gradients, which"
            " train.fused_backward does not keep; set it to 1 and raise train.batch"
        )
    if train.precision.startswith("fp16"):
        problems.append(
            f"train.precision {train.precision} scales gradients and checks them all before an update, which"
            " train.fused_backward cannot; set it to bf16"
        )
    if train.devices * train.num_nodes > 1 or train.strategy != "auto":
        problems.append(
            "train.fused_backward works on one device, without a strategy; set train.devices and"
            " train.num_nodes to 1 and train.strategy to auto, or train.fused_backward to false"
        )
    return problems


def _rounded(config: Config) -> list[str]:
    train, network = config.train, config.network
    if not train.stochastic_rounding:
        return []
    problems = []
    in_bf16 = isinstance(network, CheckpointConfig) and network.weight_precision == "bf16"
    if train.precision != "bf16_full" and not in_bf16:
        problems.append(
            f"train.stochastic_rounding rounds weights in bf16, but with train.precision {train.precision}"
            " they are in 32 bits; set train.precision to bf16_full, or train.stochastic_rounding to false"
        )
    if train.strategy == "fsdp":
        problems.append("train.stochastic_rounding does not work with train.strategy fsdp; set it to false")
    return problems
