"""The frame of every command: its arguments, its configuration, its output folder, how it ends."""

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
from pipeline.files.damage import is_full_device
from pipeline.outside_graph import insist_on_free_folder, is_by_hand, missing_output, refuse_while_dvc_runs
from pipeline.printable import printable
from pipeline.store.items import trim_if_grown

MULTIRUN = "multirun"


@dataclass(frozen=True)
class StageRun:
    """A stage's configuration, and the folder for its outputs (in the graph the project's root)."""

    stage: str
    config: Config
    out: Path
    options: argparse.Namespace

    def code(self) -> str:
        """The hash of the stage's current code."""
        from pipeline.code import code_of

        return code_of(self.stage, self.config, listed_groups(self.stage))


def start(
    stage: str,
    arguments: Sequence[str],
    parser: argparse.ArgumentParser | None = None,
    by_hand: Sequence[str] = (),
) -> StageRun:
    """Parses `[KEY=VALUE...] [--out DIR]` and the options of `parser`, and loads the stage's groups.

    Overrides need --out, because DVC's outputs must follow from params.yaml; except with the options of
    `parser` named in `by_hand`, which write none of these outputs. By hand the settings come from the current
    params.yaml; in the graph from params.resolved.yaml.
    """
    parser = parser or argparse.ArgumentParser(prog=f"python -m stages.{stage.replace('-', '_')}")
    _add_options(parser)
    options = parser.parse_intermixed_args(arguments)
    if options.multirun:
        # A separate process, not an import: no stage's result depends on how values are listed.
        os.execv(sys.executable, [sys.executable, "-m", "pipeline.sweep.by_hand", stage, *arguments])
    if options.out is not None:
        insist_on_free_folder(options.out)
    free = any(getattr(options, name) for name in by_hand)
    if options.overrides and options.out is None and not free:
        raise UserError(
            f"{' '.join(options.overrides)} would make DVC's outputs differ from params.yaml;"
            " add `--out DIR` to write elsewhere, or set the values in params.yaml and type `dvc repro`"
        )
    writes_outputs = options.out is None and not free
    if writes_outputs and is_by_hand():
        refuse_while_dvc_runs()
    config = load(stage, options.overrides, by_hand=is_by_hand() or not writes_outputs)
    return StageRun(stage, config, options.out or Path(), options)


def _add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every stage."""
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="settings for this run: network.dim=8, network=lora",
    )
    parser.add_argument(
        "-m",
        "--multirun",
        action="store_true",
        help=f"one run for each value (network.dim=4,8), into {MULTIRUN}/",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write under DIR, not to DVC's outputs; replaces an earlier run there",
    )


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Runs a command line program: a user error prints its sentences and exits with code 1 (`--debug`: with
    the traceback).
    """
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    stopped = Stopped()
    try:
        main([argument for argument in arguments if argument != "--debug"])
        trim_if_grown()
    except BrokenPipeError:  # the reader of our output, such as `| head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, KeyboardInterrupt) as error:
        if debug or (message := _message(KeyboardInterrupt() if stopped else error)) is None:
            raise
        print(message, file=sys.stderr)
        # CPython remembers an interruption of exec("..."), as dataclasses use it, and ends by the signal even
        # if it was caught; the next exec makes it forget.
        exec("")
        sys.exit(1)


class Stopped:
    """True after SIGINT or SIGTERM. An interruption inside a C extension may surface as another error (torch:
    a ValueError), which is then not a fault of the program.
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
        left = str(error) or "no partial files were left"
        return f"error: interrupted; {left}; run the same command again to continue"
    if isinstance(error, UserError):
        return "\n".join(f"error: {printable(problem)}" for problem in error.problems)
    if is_full_device(error):
        cure = (
            "close other programs that use it, lower the stage's batch or resolution, or set base.vae_tiles;"
            " where pictures are drawn also set precision: bf16 and model_offload: true in the stage's group"
        )
        return f"error: the device's memory is full; {cure}"
    return _of_system(error) if isinstance(error, OSError) else None


def _of_system(error: OSError) -> str | None:
    if isinstance(error, FileNotFoundError) and (missing := missing_output(str(error.filename))):
        return f"error: {printable(missing)}"
    where = "while writing" if error.filename is None else printable(str(error.filename))
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"error: the disk is full ({where}); no partial files were left; free some space and run the"
            " same command again"
        )
    if error.errno in (errno.EACCES, errno.EROFS):
        return f"error: {where}: {error.strerror}; change its permissions"
    return None
