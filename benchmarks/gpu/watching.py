"""What a step of ours makes the program wait for, and where its time goes."""

import warnings
from collections import Counter
from typing import Any

import lightning
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.cases import Bench, Case
from benchmarks.gpu.running import Row

TOP = 15


class CountWaits(lightning.Callback):
    """Lets torch warn of operations that wait for the card, from the second step on."""

    def on_train_batch_start(self, *arguments: Any) -> None:
        if arguments[-1] == 1:
            torch.cuda.set_sync_debug_mode("warn")

    def on_train_batch_end(self, *arguments: Any) -> None:
        if arguments[-1] == arguments[0].num_training_batches - 2:  # the last step's end settles the losses
            torch.cuda.set_sync_debug_mode("default")


def waits(bench: Bench, case: Case, steps: int) -> Row:
    """How often a step waits for the device, and where."""
    if bench.device.type != "cuda":
        return {"failed": "needs a CUDA card; a test counts the calls that would wait"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            bench.ours(case, steps, [CountWaits()])
        finally:
            torch.cuda.set_sync_debug_mode("default")
    found = [each for each in caught if "synchronizing" in str(each.message)]
    places = Counter(f"{'/'.join(each.filename.split('/')[-2:])}:{each.lineno}" for each in found)
    return {"waits_a_step": len(found) / max(1, steps - 1), "places": dict(places.most_common(8))}


class Profiled(lightning.Callback):
    """Records the steps after the second."""

    def __init__(self, device: torch.device) -> None:
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
        self.profiler, self.starts = profile(activities=kinds), 2

    def on_train_batch_start(self, *arguments: Any) -> None:
        if arguments[-1] == self.starts:
            self.profiler.start()

    def on_train_end(self, *arguments: Any) -> None:  # noqa: ARG002
        self.profiler.stop()


def where_time_goes(bench: Bench, case: Case, steps: int) -> Row:
    """The operations that took most of the device's time; `busy`: the part of the time in which it worked."""
    recorded = Profiled(bench.device)
    round_ = bench.ours(case, steps + 1, [recorded])
    events = recorded.profiler.key_averages()
    name = "self_device_time_total" if bench.device.type == "cuda" else "self_cpu_time_total"
    total = sum(getattr(each, name) for each in events) or 1
    most = sorted(events, key=lambda each: getattr(each, name), reverse=True)[:TOP]
    shares = {each.key[:60]: [round(getattr(each, name) / total, 3), each.count // steps] for each in most}
    return {"busy": round(total / 1e6 / steps / round_.seconds, 3), "top_share_and_calls_a_step": shares}
