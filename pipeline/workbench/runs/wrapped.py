"""Runs a command and notes its end: `python -m pipeline.workbench.runs.wrapped FOLDER COMMAND...`.

Leads the process group of its run. Ctrl-C for the group is the command's business: the wrapper waits for it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.workbench.runs.process import identity, members

PROCESS_FILE, END_FILE = "process.json", "end.json"
WAIT_S = 0.2


def main(arguments: Sequence[str]) -> int:
    folder, *command = arguments
    # A handler, not SIG_IGN: the command would inherit that.
    signal.signal(signal.SIGINT, lambda *_: None)
    _note(Path(folder) / PROCESS_FILE, {"pid": os.getpid(), "identity": identity(os.getpid())})
    try:
        code = subprocess.call(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 127
    while members(os.getpid()) > {os.getpid()}:  # a stage whose `dvc` was killed goes on
        time.sleep(WAIT_S)
    _note(Path(folder) / END_FILE, {"code": code})
    return 0


def _note(path: Path, value: dict[str, object]) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value), encoding="utf-8")
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
