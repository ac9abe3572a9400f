"""The frame that every command runs in: its arguments, its configuration, where it writes, how it ends."""

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM, signal
from typing import NoReturn

from pipeline.config import Config, load
from pipeline.config.load import listed_groups
from pipeline.errors import UserError
from pipeline.outside_graph import insist_on_free_folder, is_by_hand, missing_output, refuse_while_dvc_runs
from pipeline.printable import printable
from pipeline.store.items import trim_if_grown

MULTIRUN = "multirun"


@dataclass(frozen=True)
class Run:
    """A stage's configuration and the folder under which its outputs go (the project's root in the graph)."""

    stage: str
    config: Config
    out: Path
    options: argparse.Namespace

    def code(self) -> str:
        """The hash of the stage's code, as it is now."""
        from pipeline.code import code_of

        return code_of(self.stage, self.config, listed_groups(self.stage))


def start(
    stage: str,
    arguments: Sequence[str],
    parser: argparse.ArgumentParser | None = None,
    by_hand: Sequence[str] = (),
) -> Run:
    """Parses `[KEY=VALUE...] [--out DIR]` and the options of `parser`, and loads the stage's groups.

    Overrides need --out: in the graph, values come from params.yaml, and DVC's outputs must be what it says.
    `by_hand` names options of `parser` with which none of these is written, so that overrides are
    free. By hand the settings are those of params.yaml as it is now; DVC hands over params.resolved.yaml.
    """
    parser = parser or argparse.ArgumentParser(prog=f"python -m stages.{stage.replace('-', '_')}")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="settings for this run by hand: network.dim=8, network=lora",
    )
    parser.add_argument(
        "-m",
        "--multirun",
        action="store_true",
        help=f"a run for each value: network.dim=4,8, into {MULTIRUN}/",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write under DIR instead of DVC's outputs; those of an earlier run there are replaced",
    )
    options = parser.parse_intermixed_args(arguments)
    if options.multirun:
        # A process of its own, and no import: no stage's result follows from how values are listed.
        os.execv(sys.executable, [sys.executable, "-m", "pipeline.sweep.by_hand", stage, *arguments])
    if options.out is not None:
        insist_on_free_folder(options.out)
    free = any(getattr(options, name) for name in by_hand)
    if options.overrides and options.out is None and not free:
        raise UserError(
            f"{' '.join(options.overrides)} would make DVC's outputs differ from params.yaml;"
            " add `--out DIR` for a run by hand, or write the values into params.yaml and type `dvc repro`"
        )
    writes_outputs = options.out is None and not free
    if writes_outputs and is_by_hand():
        refuse_while_dvc_runs()
    config = load(stage, options.overrides, by_hand=is_by_hand() or not writes_outputs)
    return Run(stage, config, options.out or Path(), options)


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Runs a command line program: user errors end it with one sentence each and exit code 1 (`--debug`: with
    the traceback).
    """
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    stopped = Stopped()
    try:
        main([argument for argument in arguments if argument != "--debug"])
        trim_if_grown()
    except BrokenPipeError:  # whoever read our output, as `| head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, KeyboardInterrupt) as error:
        if debug or (message := _message(KeyboardInterrupt() if stopped else error)) is None:
            raise
        print(message, file=sys.stderr)
        sys.exit(1)


class Stopped:
    """True once SIGINT or SIGTERM has come. An interruption inside a C extension may surface as an error of
    its own (torch: a ValueError), which is then no fault of the program.
    """

    def __init__(self) -> None:
        self.stopped = False
        for number in (SIGINT, SIGTERM):
            signal(number, self._stop)

    def __bool__(self) -> bool:
        return self.stopped

    def _stop(self, *_: object) -> NoReturn:
        self.stopped = True
        raise KeyboardInterrupt


def _message(error: BaseException) -> str | None:
    if isinstance(error, KeyboardInterrupt):
        return "error: interrupted; nothing half-written was left behind, the same command carries on"
    if isinstance(error, UserError):
        return "\n".join(f"error: {printable(problem)}" for problem in error.problems)
    if isinstance(error, OSError):
        if isinstance(error, FileNotFoundError) and (missing := missing_output(str(error.filename))):
            return f"error: {printable(missing)}"
        where = "while writing" if error.filename is None else printable(str(error.filename))
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return (
                f"error: the disk is full ({where}); nothing half-written was left"
                " behind: make room and run the same command again"
            )
        if error.errno in (errno.EACCES, errno.EROFS):
            return f"error: {where}: {error.strerror}; change its permissions"
    return None
