"""One stage for each of several values, by hand: `python -m stages.train -m network.dim=4,8
network.alpha=2,4`.

Like Hydra's plain multirun: one after the other, each into its own folder below multirun/; DVC's outputs
do not change.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.command import MULTIRUN, run
from pipeline.errors import UserError
from pipeline.sweep.grammar import expand
from pipeline.sweep.jobs import checked, name_of


def main(arguments: Sequence[str] = ()) -> None:
    stage, *rest = arguments
    rest = [each for each in rest if each not in ("-m", "--multirun")]
    flags = [each for each in rest if each.startswith("-")]
    if flags:
        raise UserError(f"{' '.join(flags)}: not allowed with --multirun, which writes below {MULTIRUN}/")
    sets = expand(rest)
    for overrides in sets:
        checked(overrides)
    failed = []
    for number, overrides in enumerate(sets, 1):
        out = Path(MULTIRUN) / stage / name_of(overrides, [stage])
        print(f"[{number}/{len(sets)}] {' '.join(overrides)} -> {out}", file=sys.stderr, flush=True)
        module = f"stages.{stage.replace('-', '_')}"
        command = [sys.executable, "-m", module, *overrides, "--out", str(out)]
        if subprocess.run(command, check=False).returncode:
            failed.append(str(out))
    if failed:
        raise UserError(
            f"{len(failed)} of {len(sets)} runs failed: {', '.join(failed)}; see their errors above"
        )


if __name__ == "__main__":
    run(main)
