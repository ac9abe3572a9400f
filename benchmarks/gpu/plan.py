"""What is measured, most telling first."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch

from benchmarks.gpu import drawing, repeats, watching
from benchmarks.gpu.cases import AS_DIFFUSERS, AS_PRESET, Bench, Case
from benchmarks.gpu.diffusers_step import diffusers_round
from benchmarks.gpu.running import Measurement, Row
from benchmarks.gpu.tagging import tagging
from benchmarks.train_step import Round, matrix_rate
from pipeline.schemas.group import DrawingPrecision

BATCHES = {"sd15": (1, 4, 8), "sdxl": (1, 2, 4)}
STEPS = {"sd15": 10, "sdxl": 6}
DRAWN: tuple[tuple[int, DrawingPrecision], ...] = ((1, "fp32"), (1, "fp16"), (4, "fp16"))
"""Batches and precisions of pictures."""
LEVERS: dict[str, dict[str, Any]] = {
    "gradient checkpointing": {"train.gradient_checkpointing": True},
    "graph": {"train.cuda_graph": True},
    "channels_last": {"train.channels_last": True},
    "gradient checkpointing and graph": {"train.gradient_checkpointing": True, "train.cuda_graph": True},
    "half of the blocks offloaded": {"train.gradient_checkpointing": True, "train.offload": 0.5},
    "all blocks offloaded": {"train.gradient_checkpointing": True, "train.offload": 1.0},
    "base in 8 bits": {"train.base_precision": "int8"},
    "all in 16 bits, rounded stochastically": {
        "train.precision": "bf16_full",
        "train.stochastic_rounding": True,
    },
}
"""Settings that trade memory, time or exactness, one at a time."""
ALL_LAYERS = "all layers and text encoder"


def plan(bench: Bench) -> list[Measurement]:
    return one_of_each(_whole(bench)) if bench.tiny else _whole(bench)


def one_of_each(measurements: list[Measurement]) -> list[Measurement]:
    """One base, batch and precision of each kind of measurement, and LoRA on both bases: all code."""
    chosen: dict[tuple[str, ...], Measurement] = {}
    for each in measurements:
        case = str(each.row.get("case", "")).split()
        rest = case if case[-1:] == ["LoRA"] else [word for word in case if word not in BATCHES]
        words = [word for word in rest if not (word.isdigit() or word in ("batch", "bf16", "fp16", "fp32"))]
        chosen.setdefault((each.row["what"], *words, each.row.get("by", "")), each)
    return list(chosen.values())


def _whole(bench: Bench) -> list[Measurement]:
    return [
        Measurement({"what": "card"}, card),
        *_against("sd15", "bf16", (4, 1, 8)),
        *_against("sdxl", "bf16", (4, 1, 2)),
        *_watching(bench),
        *_levers("sdxl"),
        *_levers("sd15"),
        *_presets(),
        *_checkpoints(),
        *(
            Measurement({"what": "same bytes", "case": name}, partial(repeats.same_bytes, name=name))
            for name in ("sd15", "sdxl")
        ),
        *_drawing(),
        *_networks(),
        *_against("sd15", "fp16", (1, 4, 8)),
        *_against("sdxl", "fp16", (1, 2, 4)),
        Measurement({"what": "tagging"}, tagging),
        *_compiled(),
    ]


def card(bench: Bench) -> Row:
    """The device, and its rate in large matrix products: the peak that steps are compared with."""
    cuda = bench.device.type == "cuda"
    for precision in ("bf16", "fp16", "fp32") if cuda else ("bf16",):
        bench.rates[precision] = matrix_rate(precision, 64 if bench.tiny else None)
    facts = torch.cuda.get_device_properties(bench.device) if cuda else None
    rates = {f"{name}_tflop_s": round(rate / 1e12, 2) for name, rate in bench.rates.items()}
    return {
        "device": facts.name if facts else bench.device.type,
        "memory_gib": round(facts.total_memory / 2**30, 1) if facts else None,
        "torch": torch.__version__,
        **rates,
    }


def _against(name: str, precision: str, batches: tuple[int, ...]) -> Iterator[Measurement]:
    """LoRA at equal settings: ours, the bare loop, diffusers' script, with its encoding and without."""
    for batch in batches:
        case = Case(name, batch, precision, AS_DIFFUSERS)
        yield _step(case, "ours", "LoRA")
        yield _step(case, "bare", "LoRA")
    for encodes in (True, False):
        for batch in batches:
            case = Case(name, batch, precision, AS_DIFFUSERS)
            by = "diffusers" if encodes else "diffusers, encoded before"
            yield Measurement(_named(case, "LoRA", by), partial(_theirs, case=case, encodes=encodes))


def _step(case: Case, by: str, words: str) -> Measurement:
    return Measurement(_named(case, words, by), partial(_ours_or_bare, case=case, by=by))


def _named(case: Case, words: str, by: str) -> Row:
    return {"what": "step", "case": f"{case.base} {case.precision} batch {case.batch} {words}", "by": by}


def _ours_or_bare(bench: Bench, case: Case, by: str) -> Row:
    operations = bench.operations(case)
    return _figures(bench, case, getattr(bench, by)(case, _num_steps(bench, case)), operations)


def _theirs(bench: Bench, case: Case, encodes: bool) -> Row:
    measured = diffusers_round(bench, case, _num_steps(bench, case), encodes)
    return _figures(bench, case, measured, bench.operations_known(case))


def _num_steps(bench: Bench, case: Case) -> int:
    return 1 if bench.tiny else STEPS[case.base]


def _figures(bench: Bench, case: Case, measured: Round, operations: int) -> Row:
    peak = bench.rates.get(case.config().train.precision.removesuffix("_full"))
    share = operations * case.batch / measured.seconds / peak if peak else None
    memory = {
        "allocated_gib": round(measured.peak_bytes / 2**30, 2),
        "reserved_gib": round(measured.reserved_bytes / 2**30, 2),
    }
    return {
        "ms_a_step": round(1000 * measured.seconds, 1),
        "pictures_a_second": round(case.batch / measured.seconds, 2),
        **({"share_of_peak": round(share, 4)} if share and operations else {}),
        **(memory if measured.peak_bytes else {}),
        "first_s": round(measured.first_s, 2),
    }


def _watching(bench: Bench) -> Iterator[Measurement]:
    steps = 2 if bench.tiny else 4
    for name, batch in (("sd15", 4), ("sdxl", 1)):
        case = Case(name, batch, "bf16", AS_DIFFUSERS)
        words = f"{name} batch {batch}"
        yield Measurement({"what": "waits", "case": words}, partial(watching.waits, case=case, steps=steps))
        yield Measurement(
            {"what": "profile", "case": words}, partial(watching.where_time_goes, case=case, steps=steps)
        )
    yield _step(Case("sd15", 4, "fp16", AS_DIFFUSERS), "ours", "LoRA")


def _levers(name: str) -> Iterator[Measurement]:
    for words, values in LEVERS.items():
        yield _step(Case(name, 1, "bf16", {**AS_DIFFUSERS, **values}), "ours", f"LoRA, {words}")
    yield _step(Case(name, 1, "bf16"), "ours", f"LoRA, {ALL_LAYERS}")
    eight_bits = Case(name, 1, "bf16", AS_DIFFUSERS, {"optimizer": "adamw8bit"})
    yield _step(eight_bits, "ours", "LoRA, optimiser in 8 bits")
    any_order = Case(name, 1, "bf16", AS_DIFFUSERS, repeatable=False)
    yield _step(any_order, "ours", "LoRA, any algorithms")


PRESETS = {
    "4gb": "sd15", "6gb": "sd15", "8gb": "sdxl", "12gb": "sdxl", "16gb": "sdxl", "24gb": "sdxl",
}  # fmt: skip
"""What a preset for a card promises; its peak must be below its name with a tenth to spare."""


def _presets() -> Iterator[Measurement]:
    for memory, name in PRESETS.items():
        subject = {"sd15": "character", "sdxl": "sdxl_character"}[name]
        case = Case(name, 1, "preset", AS_PRESET, {"memory": memory, "experiment": subject})
        yield _step(case, "ours", f"LoRA, preset {memory}")


FUSED: dict[str, Any] = {"train.fused_backward": True, "train.clip_norm": 0.0}
CHECKPOINTS: Mapping[str, dict[str, Any]] = {
    "full checkpoint": {},
    "full checkpoint, weights in bf16": {"network.weight_precision": "bf16"},
    "full checkpoint, fused backward pass": FUSED,
    "full checkpoint, fused, blocks offloaded": {**FUSED, "train.offload": 1.0},
    "full checkpoint, graph": {"train.cuda_graph": True},
}
SMALLEST = {
    **FUSED, "network.weight_precision": "bf16", "train.stochastic_rounding": True, "train.offload": 1.0,
}  # fmt: skip
"""A full checkpoint in the least memory, with Adafactor."""


def _checkpoints() -> Iterator[Measurement]:
    for name in ("sd15", "sdxl"):
        for words, values in CHECKPOINTS.items():
            own = {"train.gradient_checkpointing": True, "train.shuffle_tags": False, **values}
            case = Case(name, 1, "bf16", own, {"network": "checkpoint"})
            yield _step(case, "ours", words)
            if not values:
                yield _step(case, "bare", words)
        own = {"train.gradient_checkpointing": True, "train.shuffle_tags": False, **SMALLEST}
        case = Case(name, 1, "bf16", own, {"network": "checkpoint", "optimizer": "adafactor"})
        yield _step(case, "ours", "full checkpoint, the least memory")


def _networks() -> Iterator[Measurement]:
    for network in ("loha", "lokr"):
        for name in ("sd15", "sdxl"):
            case = Case(name, 1, "bf16", AS_DIFFUSERS, {"network": network})
            yield _step(case, "ours", network)
            yield _step(case, "bare", network)


def _compiled() -> Iterator[Measurement]:
    for name, batch in (("sd15", 4), ("sdxl", 4)):
        case = Case(name, batch, "bf16", {**AS_DIFFUSERS, "train.compile": True})
        yield Measurement(_named(case, "LoRA, compiled", "ours"), partial(_compiled_step, case=case))


def _compiled_step(bench: Bench, case: Case) -> Row:
    if bench.device.type == "cpu":
        return {"failed": "compiling for a CPU takes minutes and shows nothing of a card"}
    return _ours_or_bare(bench, case, "ours")


def _drawing() -> Iterator[Measurement]:
    for name in ("sd15", "sdxl"):
        for by, tiles in (("ours", False), ("bare", False), ("ours", True)):
            yield Measurement(
                {"what": "encode", "case": f"{name}{' in tiles' if tiles else ''}", "by": by},
                partial(drawing.encoding, name=name, bare=by == "bare", tiles=tiles),
            )
        in_fp16 = partial(drawing.ours, name=name, batch=1, precision="fp16")
        in_small = {"in tiles": partial(in_fp16, tiles=True), "parts in turn": partial(in_fp16, in_turn=True)}
        for how, drawn in in_small.items():
            yield Measurement({"what": "draw", "case": f"{name} fp16 batch 1 {how}", "by": "ours"}, drawn)
        for batch, precision in DRAWN:
            for by, work in (("ours", drawing.ours), ("diffusers", drawing.theirs)):
                yield Measurement(
                    {"what": "draw", "case": f"{name} {precision} batch {batch}", "by": by},
                    partial(work, name=name, batch=batch, precision=precision),
                )
