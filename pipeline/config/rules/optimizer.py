"""Rules of the group optimizer, and between it, schedule and train."""

from pipeline.errors import nearest
from pipeline.schemas import (
    AestheticConfig,
    Config,
    EmbeddingConfig,
    HypernetworkConfig,
    OptimizerConfig,
)

OPTIMIZER_NAMES = (
    "adafactor",
    "adamw",
    "adamw8bit",
    "dadaptation",
    "dadaptation_preprint",
    "lion",
    "prodigy",
    "schedulefree",
    "sgd",
)
FINDS_ITS_LR = ("prodigy", "dadapt")
"""Parts of algorithms' names for which lr is a factor."""
SMALLEST_FACTOR = 0.1
FIXED_LR = ("adamw", "adamw8bit", "lion", "adafactor", "schedulefree")


def optimizer_contradictions(config: Config) -> list[str]:
    """Settings that contradict each other."""
    optimizer, problems = config.optimizer, []
    if finds_its_lr(optimizer):
        problems += [
            f"optimizer.{key} {rate:g} with optimizer.name {optimizer.name}: it finds the rate itself, and"
            f" {key} is a factor on that; set optimizer.{key} to 1"
            for key, rate in trained_lrs(config).items()
            if 0 < rate < SMALLEST_FACTOR
        ]
        if config.schedule.name == "staircase":
            problems.append(
                f"schedule.name staircase sets rates, but optimizer.name {optimizer.name} finds its own;"
                " set schedule to constant"
            )
    if "." not in optimizer.name and optimizer.name not in OPTIMIZER_NAMES:
        problems.append(
            f"optimizer.name: {optimizer.name!r} is neither a known name nor a class's dotted"
            f" path (torch.optim.RAdam); {nearest(optimizer.name, OPTIMIZER_NAMES)}"
        )
    if optimizer.arguments.get("relative_step"):
        problems.append(
            "optimizer.arguments.relative_step lets Adafactor choose the rate, so optimizer.lr and"
            " optimizer.text_encoder_lr would have no effect; set it to false"
        )
    return problems


def optimizer_doubts(config: Config) -> list[str]:
    """Settings that have no effect, or are rarely meant."""
    optimizer = config.optimizer
    doubts = [
        f"optimizer.{key} {rate:g} is very high for optimizer.name {optimizer.name}; 1 is for prodigy and"
        " dadaptation, 1e-4 is usual here"
        for key, rate in trained_lrs(config).items()
        if optimizer.name in FIXED_LR and rate >= SMALLEST_FACTOR
    ]
    rates = trained_lrs(config)
    if len(rates) == 2 and rates["text_encoder_lr"] > rates["lr"]:
        doubts.append(
            f"optimizer.text_encoder_lr {rates['text_encoder_lr']:g} is above optimizer.lr {rates['lr']:g}:"
            " half of it or less is usual"
        )
    if is_kind(optimizer, "schedulefree"):
        doubts += _averaging_doubts(config)
    if is_kind(optimizer, "adafactor"):
        doubts += _adafactor_doubts(config)
    rates = trained_lrs(config)
    if rates and not any(rates.values()):
        keys = " and ".join(f"optimizer.{key}" for key in rates)
        doubts.append(f"{keys} {'are' if len(rates) > 1 else 'is'} 0: nothing is learned")
    if finds_its_lr(optimizer):
        doubts += _search_doubts(config)
    return doubts


def _averaging_doubts(config: Config) -> list[str]:
    """Settings that disturb a schedule-free algorithm; sd-scripts ignores any schedule with it."""
    name, shape, doubts = config.optimizer.name, config.schedule.name, []
    if shape != "constant":
        doubts.append(
            f"schedule.name {shape} with optimizer.name {name}: it averages in place of a schedule; set"
            " schedule.name to constant (for a warm-up: optimizer.arguments.warmup_steps)"
        )
    if config.train.ema_decay is not None:
        doubts.append(f"train.ema_decay with optimizer.name {name}: the saved weights are averaged twice")
    return doubts


def _adafactor_doubts(config: Config) -> list[str]:
    """Settings that disturb Adafactor, which bounds its steps itself."""
    name, clip_norm, doubts = config.optimizer.name, config.train.clip_norm, []
    if clip_norm:
        doubts.append(
            f"train.clip_norm {clip_norm:g} with optimizer.name {name}: it bounds its steps itself; set"
            " train.clip_norm to 0"
        )
    if config.schedule.name != "constant_with_warmup":
        doubts.append(
            f"schedule.name {config.schedule.name} with optimizer.name {name}: constant_with_warmup is usual"
        )
    if (threshold := config.optimizer.arguments.get("clip_threshold", 1.0)) != 1.0:
        doubts.append(
            f"optimizer.arguments.clip_threshold {threshold} with optimizer.name {name}: 1 is usual"
        )
    return doubts


def _search_doubts(config: Config) -> list[str]:
    """Settings that disturb an algorithm that finds its rate."""
    name, schedule, doubts = config.optimizer.name, config.schedule, []
    allowed = ("constant", "constant_with_warmup", *(["cosine"] if "prodigy" in name.lower() else []))
    if schedule.name not in allowed:
        doubts.append(
            f"schedule.name {schedule.name} with optimizer.name {name}: {' or '.join(allowed)} is usual"
        )
    warms_up = schedule.name != "constant" and (schedule.warmup_steps or schedule.warmup_percent)
    if name == "prodigy" and warms_up and not config.optimizer.arguments.get("safeguard_warmup"):
        doubts.append(
            "a warm-up (schedule.warmup_percent) misleads prodigy's search unless"
            " optimizer.arguments.safeguard_warmup is true"
        )
    return doubts


def is_kind(optimizer: OptimizerConfig, kind: str) -> bool:
    """Whether its name, or its class's (`schedulefree.SGDScheduleFree`), ends in `kind`."""
    return optimizer.name.lower().endswith(kind)


def finds_its_lr(optimizer: OptimizerConfig) -> bool:
    """Whether lr is a factor on a rate that the algorithm finds."""
    return any(part in optimizer.name.lower() for part in FINDS_ITS_LR)


def trained_lrs(config: Config) -> dict[str, float]:
    """The rates of the trained parts, by key."""
    network, optimizer = config.network, config.optimizer
    if isinstance(network, AestheticConfig):
        return {}
    if isinstance(network, EmbeddingConfig | HypernetworkConfig):
        return {"lr": optimizer.lr}
    return {
        **({"lr": optimizer.lr} if network.unet else {}),
        **({"text_encoder_lr": optimizer.text_encoder_lr} if network.text_encoder else {}),
    }
