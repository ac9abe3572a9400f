"""Arithmetic on the CPU that follows from nothing of the machine (`same_bytes: true`; docs/reproducing.md).

Torch and its libraries choose instructions by the processor, and divide sums by the number of threads:
the last bits follow from both. Environment variables fix the choice, where they are set before torch is
loaded. So `stages` and `pipeline.merging` call this first. It replaces what the variables were outside.
"""

import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.errors import warn

KEY = "same_bytes"
INSTRUCTIONS: Mapping[str, str] = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own loops, random numbers too: AVX-512 draws others
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # convolutions, GELU
    "MKL_CBWR": "COMPATIBLE",  # matrix products; MKL keeps its other promises on Intel's processors alone
}
THREADS: Mapping[str, str] = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""One: any computer has it, and two that wait for each other on a busy one take many times as long."""
RESOLVED, PARAMS, DEFAULTS = Path("params.resolved.yaml"), Path("params.yaml"), Path("conf/config.yaml")
CPU_FACTS = Path("/proc/cpuinfo")
SAID = re.compile(rf"^{KEY}[ ]*[:=][ ]*(\w+)", re.MULTILINE)


def fix_where_asked(arguments: Sequence[str]) -> None:
    """For a command with these arguments, before it loads torch."""
    if is_on(arguments):
        fix()


def is_on(arguments: Sequence[str]) -> bool:
    """The setting, found in a moment: in the graph as `compose` wrote it, by hand as the command line,
    params.yaml or conf/ has it.
    """
    said = (match[1] for text in _texts(arguments) for match in SAID.finditer(text))
    return next(said, "false").lower() in ("true", "yes", "on")


def _texts(arguments: Sequence[str]) -> Iterator[str]:
    files = (RESOLVED,) if "DVC_STAGE" in os.environ else (PARAMS, DEFAULTS)
    yield "\n".join(reversed(arguments))
    yield from (file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file())


def fix() -> None:
    """Sets the variables, for this process and those that it starts."""
    os.environ.update(THREADS)
    if has_avx2():
        os.environ.update(INSTRUCTIONS)
    else:
        warn(f"{KEY}: this processor has no AVX2; the last bits of results differ from those of others")


def has_avx2() -> bool:
    """Whether torch's AVX2 code runs here. Where the system keeps no list: on any x86-64 processor."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    return not CPU_FACTS.is_file() or " avx2 " in CPU_FACTS.read_text(encoding="utf-8", errors="replace")
