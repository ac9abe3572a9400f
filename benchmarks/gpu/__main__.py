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

from benchmarks.gpu.cases import Bench
from benchmarks.gpu.devices import choose_device, devices_plan
from benchmarks.gpu.plan import plan
from benchmarks.gpu.running import Row, as_line, measured
from benchmarks.gpu.table import as_markdown
from pipeline.device import leads
from pipeline.training.module import quiet_lightning
from pipeline.typed_numbers import above, whole_number

ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
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
    os.chdir(ROOT)  # settings are composed from conf/
    quiet_lightning()
    warnings.filterwarnings("ignore", ".*deterministic implementation.*")
    choose_device()
    bench = Bench(chosen.tiny)
    rows: list[Row] = []
    wanted = (
        list(devices_plan(chosen.devices))
        if chosen.devices > 1
        else [
            each
            for each in plan(bench)
            if each.row["what"] == "card"
            or (
                (not chosen.only or each.row["what"] in chosen.only)
                and chosen.case in each.row.get("case", "")
            )
        ]
    )
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


if __name__ == "__main__":
    main()
