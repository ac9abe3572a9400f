"""Advice on a plan from practitioners' figures: steps, warm-up, dim, batch, held-out pictures. Pure;
docs/data.md has the figures.
"""

from pipeline.pictures.advice import class_advice
from pipeline.schemas import CheckpointConfig, Config, HypernetworkConfig
from pipeline.training.planning.forecast import TrainPlan
from pipeline.training.schedules import warmup_steps

USUAL_LR = 1e-4
USUAL_UPDATES = (("character", 1000), ("style", 2500), ("concept", 3000))
"""Usual updates by aim, at a learning rate of 1e-4."""
FEW_PICTURES, AMPLE_DIM, CHARACTER_DIM = 20, 128, 64
HOLDOUT_FROM = 50


def advice(plan: TrainPlan, config: Config) -> list[str]:
    """A sentence for each unusual setting."""
    return [
        *_steps(plan, config),
        *_warmup(plan, config),
        *_dim(plan, config),
        *_batch(plan),
        *_holdout(plan, config),
        *class_advice(plan.showings, plan.class_pictures),
    ]


def _steps(plan: TrainPlan, config: Config) -> list[str]:
    """Steps x learning rate is an upper bound of what a run learns: at twice the rate it needs more than half
    of the steps. The figures are for LoRA-like networks; a full fine-tune or a hypernetwork uses rates of
    another magnitude.
    """
    if isinstance(config.network, CheckpointConfig | HypernetworkConfig):
        return []
    lr = max(config.optimizer.lr, config.optimizer.text_encoder_lr)
    if lr >= 0.1:  # the optimiser finds its own rate
        return []
    worth = round(plan.updates * lr / USUAL_LR)
    lacking = [f"a {aim} {updates}" for aim, updates in USUAL_UPDATES if worth < updates]
    if not lacking:
        return []
    return [
        f"{plan.updates} updates at rate {lr:g} are worth at most {worth} at {USUAL_LR:g}, where"
        f" {', '.join(lacking)} are usual; raise train.epochs or optimizer.lr"
    ]


def _warmup(plan: TrainPlan, config: Config) -> list[str]:
    schedule = config.schedule
    if schedule.name in ("constant", "staircase"):
        return []
    percent = 100 * warmup_steps(schedule, plan.updates) / plan.updates
    key = "warmup_percent" if schedule.warmup_steps is None else "warmup_steps"
    if percent < 5:
        reason = "fewer runs blow up"
    elif percent > 10:
        reason = "the rest is hardly trained"
    else:
        return []
    return [
        f"schedule.{key} {getattr(schedule, key):g}: the warm-up takes {percent:.2g} % of the run; 5-10 is"
        f" usual: {reason}"
    ]


def doubts(plan: TrainPlan, config: Config) -> list[str]:
    """Settings that are probably mistakes, seen in the plan; a run warns of them before it starts."""
    steps = config.schedule.warmup_steps
    if config.schedule.name in ("constant", "staircase") or not steps or 2 * steps <= plan.updates:
        return []
    return [
        f"schedule.warmup_steps {steps} is more than half of the {plan.updates} updates that train.epochs"
        f" {config.train.epochs} makes: the full rate comes late, or never; 5-10 % is usual"
    ]


def _dim(plan: TrainPlan, config: Config) -> list[str]:
    dim = getattr(config.network, "dim", None)
    if dim is None:
        return []
    if dim > AMPLE_DIM:
        return [f"network.dim is {dim}; {AMPLE_DIM} is ample for nearly all"]
    if dim > CHARACTER_DIM and plan.pictures < FEW_PICTURES:
        return [
            f"network.dim is {dim} for {plan.pictures} pictures: they are soon learned by heart;"
            " 32-64 is usual for a character"
        ]
    return []


def _batch(plan: TrainPlan) -> list[str]:
    """Batches larger than any shape's pictures, and updates larger than an epoch."""
    sentences, most = [], max(bucket.showings for bucket in plan.buckets)
    if plan.batch > most:
        sentences.append(
            f"no batch is ever full: a batch holds {plan.batch} pictures of one shape, an epoch shows at most"
            f" {most}; lower train.batch, or raise the repeats"
        )
    if plan.accumulation > plan.batches_per_epoch:
        sentences.append(
            f"train.gradient_accumulation {plan.accumulation} is above the {plan.batches_per_epoch} batches"
            " of an epoch, at whose end an update is made in any case; lower it, or raise the repeats"
        )
    return sentences


def _holdout(plan: TrainPlan, config: Config) -> list[str]:
    if plan.pictures >= HOLDOUT_FROM and not config.validation.share:
        return [
            f"{plan.pictures} pictures are enough to keep some out and see overfitting:"
            " set use.validation to holdout"
        ]
    return []
