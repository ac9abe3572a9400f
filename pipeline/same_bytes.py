"""Makes arithmetic on the CPU independent of the machine (`same_bytes: true`; docs/reproducing.md).

Torch and its libraries choose instructions by the processor, and split sums by the number of threads; both
change the last bits. Environment variables fix the choice if they are set before torch is loaded, so `stages`
and `pipeline.merging` call this first. It overrides the variables' values.
"""

import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from pipeline.errors import warn

KEY = "same_bytes"
INSTRUCTIONS: Mapping[str, str] = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own loops and random numbers; AVX-512 draws other numbers
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # convolutions, GELU
    "MKL_CBWR": "COMPATIBLE",  # matrix products; MKL's other modes hold only on Intel's processors
}
THREADS: Mapping[str, str] = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""One: every computer has it, and on a busy one two threads that wait for each other are far slower."""
_RESOLVED, _PARAMS, _DEFAULTS = Path("params.resolved.yaml"), Path("params.yaml"), Path("conf/config.yaml")
CPU_FACTS = Path("/proc/cpuinfo")
SAID = re.compile(rf"^{KEY}[ ]*[:=][ ]*(\w+)", re.MULTILINE)


def fix_where_asked(arguments: Sequence[str]) -> None:
    """Call with a command's arguments before it loads torch."""
    if is_on(arguments):
        fix()


def is_on(arguments: Sequence[str]) -> bool:
    """The setting, without composing: in a DVC stage from `compose`'s output, by hand from the command line,
    params.yaml or conf/.
    """
    values = (match[1] for text in _texts(arguments) for match in SAID.finditer(text))
    return next(values, "false").lower() in ("true", "yes", "on")


def _texts(arguments: Sequence[str]) -> Iterator[str]:
    files = (_RESOLVED,) if "DVC_STAGE" in os.environ else (_PARAMS, _DEFAULTS)
    yield "\n".join(reversed(arguments))
    yield from (file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file())


def fix() -> None:
    """Sets the variables for this process and its children."""
    arithmetic.cache_clear()
    os.environ.update(THREADS)
    if has_avx2():
        os.environ.update(INSTRUCTIONS)
    else:
        warn(f"{KEY}: this processor has no AVX2; results differ in the last bits from other computers'")


@cache  # asked for each key
def arithmetic() -> Mapping[str, str]:
    """What keys of stored results say about how they were computed: nothing unless it is fixed."""
    wanted = {**INSTRUCTIONS, **THREADS}
    is_fixed = all(os.environ.get(name) == value for name, value in wanted.items())
    return {"arithmetic": INSTRUCTIONS["ATEN_CPU_CAPABILITY"]} if is_fixed else {}


def has_avx2() -> bool:
    """Whether torch's AVX2 code runs here. Assumes any x86-64 processor has it if the system has no list."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    return not CPU_FACTS.is_file() or " avx2 " in CPU_FACTS.read_text(encoding="utf-8", errors="replace")
