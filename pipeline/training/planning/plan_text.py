"""Prints a plan on one screen."""

from collections.abc import Callable, Sequence

import torch

from pipeline.device import best_device
from pipeline.progress import duration
from pipeline.training.data import Batch
from pipeline.training.module import Denoising
from pipeline.training.planning.cost import Cost, seconds_a_step, step_cost
from pipeline.training.planning.forecast import TrainPlan
from pipeline.training.planning.levers import levers
from pipeline.training.preservation import TIMES_THE_OPERATIONS
from pipeline.training.schedules import lr_factor

BARS = " ▁▂▃▄▅▆▇█"
CURVE_COLUMNS = 60


def plan_text(plan: TrainPlan, rate: Callable[[int], float], advice: Sequence[str]) -> str:
    """`rate`: the learning rate at an update, counted from 0."""
    by_class = f" and {plan.class_pictures} class pictures" if plan.class_pictures else ""
    held_out = f"; {plan.held_out} more are held out for validation" if plan.held_out else ""
    formula = (
        ""
        if plan.updates == plan.updates_by_formula
        else f" (the usual formula says {plan.updates_by_formula:.0f}: it ignores that some batches and"
        " updates are not full)"
    )
    lines = [
        f"{plan.pictures} pictures{by_class}{held_out}",
        f"an epoch: {plan.showings} showings{_of_class(plan)}, {plan.batches_per_epoch} batches of"
        f" {plan.batch}, {plan.updates_per_epoch} updates",
        f"in all: {plan.epochs} epochs, {plan.updates} updates{formula}",
        "",
        "concept                  pictures  an epoch    in all  each picture",
        *(
            f"{concept.name + (' (class)' if concept.is_class else ''):<24}{concept.pictures:>9}"
            f"{concept.per_epoch:>10}{concept.in_all:>10}{concept.in_all / concept.pictures:>14.0f}"
            for concept in plan.concepts
        ),
        "",
        "shape        showings   batches   the last batch",
        *(
            f"{f'{bucket.width_px}x{bucket.height_px}':<12}{bucket.showings:>9}{bucket.batches:>10}"
            f"   {bucket.last} of {plan.batch}"
            for bucket in plan.buckets
        ),
        "",
        *_curve(plan, rate),
    ]
    return "\n".join([*lines, *(["", *advice] if advice else [])])


def _of_class(plan: TrainPlan) -> str:
    return f" and {plan.class_showings} of the class" if plan.class_showings else ""


def _curve(plan: TrainPlan, rate: Callable[[int], float]) -> list[str]:
    """The learning rate over the run, as a row of bars."""
    columns = min(CURVE_COLUMNS, plan.updates)
    values = [rate(column * plan.updates // columns) for column in range(columns)]
    top = max(values) or 1.0
    bars = "".join(BARS[round(value / top * (len(BARS) - 1))] for value in values)
    return [f"rate {bars}", f"     from {values[0]:.3g} over {top:.3g} to {rate(plan.updates - 1):.3g}"]


def cost_text(
    cost: Cost, seconds: float, plan: TrainPlan, memory_bytes: int | None, cures: Sequence[str]
) -> list[str]:
    """Time and memory; `seconds` is for one batch. `cures`: settings that need less memory."""
    lines = [
        f"a batch: {cost.operations / 1e9:.1f} GFLOP, about {seconds:.2g} s here;"
        f" the run: about {duration(seconds * plan.batches)} (within a factor of about two)",
        f"memory: about {cost.bytes / 2**30:.2f} GiB ({cost.fixed_bytes / 2**30:.2f} for weights and"
        f" optimiser, {cost.picture_bytes / 2**30:.3f} a picture)",
    ]
    if memory_bytes:
        most = cost.largest_batch(round(memory_bytes * 0.9))
        lines.append(f"of {memory_bytes / 2**30:.0f} GiB here, train.batch {most} would fit")
        if most < cost.pictures:
            lines.append(f"train.batch {cost.pictures} does not fit; set {'; then '.join(cures)}")
    return lines


def plan_and_cost(plan: TrainPlan, module: Denoising, batch: Batch, advice: Sequence[str]) -> str:
    """Counts the cost of a batch on the real modules, the network attached, and benchmarks this device."""
    device = best_device()
    rate = module.settings.optimizer.lr
    module.prepare()
    cost = step_cost(module, batch)
    dtype = torch.float32 if module.settings.train.precision == "fp32" else torch.bfloat16
    memory = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None
    lines = cost_text(cost, seconds_a_step(cost, device, dtype), plan, memory, levers(module.settings))
    if module.settings.train.preserves:
        lines.append(
            f"train.preservation {module.settings.train.preservation}: two more passes in each batch, counted"
            f" above; without it about 1 / {TIMES_THE_OPERATIONS:.1f} of the time"
        )
    schedule = module.settings.schedule
    text = plan_text(plan, lambda step: rate * lr_factor(step, plan.updates, schedule, rate), advice)
    return "\n".join([text, "", *lines])
