"""All that a GPU decides, in one short run:
`python -m benchmarks.gpu [--minutes 8] [--tiny] [--only step waits] [--to rows.jsonl]`.
`--devices 2`: only a LoRA step on so many devices (processes, on a CPU), compared with one.

Needs no network, no DVC and no file but the project's: makes random bases of SD 1.5's and SDXL's true size on
the card. Prints a JSON line after each measurement, most telling first, and a Markdown table at the end. One
that fails, for instance for lack of memory, is a row with the reason; what the minutes do not suffice for is
named too. `--tiny`: the same on small bases, on any device.
"""

import argparse
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.gpu.cases import Bench
from benchmarks.gpu.devices import choose_device, devices_plan
from benchmarks.gpu.plan import plan
from benchmarks.gpu.running import Measurement, Row, as_line, measured
from benchmarks.gpu.table import as_markdown
from pipeline.device import leads
from pipeline.training.module import quiet_lightning
from pipeline.typed_numbers import above, whole_number

ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=above(0, most=60), default=8.0)
    parser.add_argument("--tiny", action="store_true", help="small bases, for a test")
    parser.add_argument(
        "--only", nargs="+", metavar="WHAT", help="kinds of measurement: step, waits, draw ..."
    )
    parser.add_argument("--case", default="", help="only those whose case contains this text")
    parser.add_argument("--devices", type=whole_number(1, 64), default=1, metavar="N")
    parser.add_argument("--to", type=Path, help="also write the JSON lines into this file")
    chosen = parser.parse_args(arguments)
    target = chosen.to.resolve() if chosen.to else None
    if target and (target.is_dir() or not target.parent.is_dir()):
        kind = (
            "is a folder: name a file in it"
            if target.is_dir()
            else "is in no folder that exists: make it first"
        )
        parser.error(f"--to {chosen.to} {kind}")
    os.chdir(ROOT)  # settings are composed from conf/
    quiet_lightning()
    warnings.filterwarnings("ignore", ".*deterministic implementation.*")
    choose_device()
    bench = Bench(chosen.tiny)
    rows: list[Row] = []
    wanted = _wanted(parser, chosen, bench)
    for row in measured(wanted, bench, chosen.minutes):
        if not leads():  # the first process speaks for all
            continue
        rows.append(row)
        print(as_line(row), flush=True)
        if target:
            with target.open("a") as file:
                file.write(as_line(row) + "\n")
    if rows:
        print("\n" + as_markdown(rows))


def _wanted(parser: argparse.ArgumentParser, chosen: argparse.Namespace, bench: Bench) -> list[Measurement]:
    """The measurements that were asked for, after the card itself."""
    if chosen.devices > 1:
        return _on_devices(parser, chosen, bench)
    card, *rest = plan(bench)
    kinds = dict.fromkeys(each.row["what"] for each in rest)
    if unknown := [each for each in chosen.only or () if each not in kinds]:
        parser.error(f"--only {unknown[0]}: nothing of the kind is measured; use one of {', '.join(kinds)}")
    found = [
        each
        for each in rest
        if (not chosen.only or each.row["what"] in chosen.only) and chosen.case in each.row.get("case", "")
    ]
    if not found:
        kind = f" of --only {' '.join(chosen.only)}" if chosen.only else ""
        parser.error(
            f"--case {chosen.case!r} is in the name of no measurement{kind}; names are like"
            f" {rest[0].row['case']!r}"
        )
    return [card, *found]


def _on_devices(
    parser: argparse.ArgumentParser, chosen: argparse.Namespace, bench: Bench
) -> list[Measurement]:
    if chosen.only or chosen.case:
        parser.error("--devices measures a LoRA step alone; leave --only and --case out")
    there = torch.cuda.device_count()
    if bench.device.type == "cuda" and there < chosen.devices:
        parser.error(
            f"--devices {chosen.devices}: torch sees {there} here (CUDA_VISIBLE_DEVICES may hide some)"
        )
    return list(devices_plan(chosen.devices))


if __name__ == "__main__":
    main()
