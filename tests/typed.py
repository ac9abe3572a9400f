"""A command of the project, run in this process as if it were typed."""

import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from pipeline.command import run
from stages import collect


@dataclass(frozen=True)
class Ended:
    """What a command left behind, named as in `subprocess`."""

    returncode: int
    stdout: str
    stderr: str


def typed(main: Callable[[Sequence[str]], None], *arguments: str) -> Ended:
    """`python -m` the module of `main`: what it said, and its exit code."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    code, out, err = 0, StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["command", *arguments])
        try:
            run(main)
        except SystemExit as ended:
            code = int(str(ended.code))
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return Ended(code, out.getvalue(), err.getvalue())


@pytest.fixture
def collect_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """compose and the plan start no process to ask `collect` what it would say."""

    def collected(overrides: Sequence[str], file: Path, capture: bool = False) -> Ended:
        ended = typed(collect.main, *overrides, "--records", str(file))
        if not capture:
            sys.stderr.write(ended.stderr)
        return ended

    for user in ("pipeline.preflight", "pipeline.training.planning.foresight"):
        monkeypatch.setattr(f"{user}.run_collect", collected)
