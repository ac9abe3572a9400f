"""All runs that were started here: the newest few are kept."""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import RLock

from pipeline.errors import UserError
from pipeline.files.atomic import write_json
from pipeline.workbench import STATE_FOLDER
from pipeline.workbench.runs.run import OVER, STATE_FILE, Run
from pipeline.workbench.runs.wrapped import PROCESS_FILE

RUNS_FOLDER = STATE_FOLDER / "runs"
MOST_RUNS = 20
BEGIN_S = 10.0


class Runs:
    """For several threads. Reads everything from the files, so that another server finds the same."""

    def __init__(self, folder: Path = RUNS_FOLDER) -> None:
        self.folder, self.lock = folder.absolute(), RLock()
        self.children: list[subprocess.Popen[bytes]] = []

    def all(self) -> list[Run]:
        """The newest first."""
        numbers = [int(each.name) for each in self.folder.glob("[0-9]*") if each.name.isdecimal()]
        return [Run(self.folder / str(number)) for number in sorted(numbers, reverse=True)]

    def newest(self) -> Run | None:
        return next(iter(self.all()), None)

    def current(self) -> Run | None:
        """One that goes on, else the newest."""
        self._reap()
        every = self.all()
        return next((run for run in every if run.phase not in OVER), next(iter(every), None))

    def numbered(self, number: int) -> Run:
        run = Run(self.folder / str(number))
        if not run.folder.is_dir():
            raise UserError(f"there is no run {number}")
        return run

    def start(self, argv: Sequence[str], job: str | None = None) -> Run:
        """Starts the command in a session of its own, so that neither Ctrl-C here nor our end reaches it."""
        with self.lock:
            self._forget_old()
            newest = self.newest()
            run = Run(self.folder / str(newest.number + 1 if newest else 1))
            run.folder.mkdir(parents=True)
            write_json(run.folder / STATE_FILE, {"argv": list(argv), "begun": time.time(), "job": job})
            command = [sys.executable, "-m", "pipeline.workbench.runs.wrapped", str(run.folder), *argv]
            with run.log.open("wb") as log:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self.children.append(child)
        end = time.monotonic() + BEGIN_S
        while not (run.folder / PROCESS_FILE).exists() and time.monotonic() < end and child.poll() is None:
            time.sleep(0.02)
        return run

    def _reap(self) -> None:
        """Lets the system forget children that have ended."""
        with self.lock:
            self.children = [each for each in self.children if each.poll() is None]

    def _forget_old(self) -> None:
        for run in self.all()[MOST_RUNS - 1 :]:
            if run.phase in OVER:
                shutil.rmtree(run.folder, ignore_errors=True)
