"""A LoRA step on several devices (`--devices 2`): Lightning starts this program once for each further device,
and they average their gradients (DDP).
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch

from benchmarks.gpu.cases import AS_DIFFUSERS, Bench, Case
from benchmarks.gpu.running import Measurement, Row
from benchmarks.train_step import Round

CASES = (Case("sd15", 4, "bf16", AS_DIFFUSERS), Case("sdxl", 2, "bf16", AS_DIFFUSERS))
STEPS = 10
IS_STARTED = "LOCAL_RANK" in os.environ
"""Whether another process of this program started this one. Later Lightning names the first one, too."""


def devices_plan(number: int) -> Iterator[Measurement]:
    for case in CASES:
        row: Row = {"what": "devices", "case": f"{case.base} {case.precision} batch {case.batch} LoRA"}
        yield Measurement({**row, "devices": number}, partial(_step, case=case, number=number))


def choose_device() -> None:
    """Each process makes its base on its own card."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))


def _step(bench: Bench, case: Case, number: int) -> Row:
    """Of `case.batch` pictures on each device, compared with one device alone. The other processes skip that:
    they are started by the step that they share.
    """
    steps = 1 if bench.tiny else STEPS
    alone = bench.ours(case, steps) if not IS_STARTED else None
    values = {**case.values, "train.devices": number, "train.strategy": "ddp"}
    together = bench.ours(replace(case, batch=number * case.batch, values=values), steps)
    return _figures(case, number, alone, together)


def _figures(case: Case, number: int, alone: Round | None, together: Round) -> Row:
    found: Row = {
        "ms_a_step": round(1000 * together.seconds, 1),
        "pictures_a_second": round(number * case.batch / together.seconds, 2),
    }
    if alone:
        found["times_one_device"] = round(number * alone.seconds / together.seconds, 2)
    return found
