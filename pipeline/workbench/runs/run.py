"""One run: its folder, what it started, whether it goes on, how it ended."""

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import UserError
from pipeline.files.atomic import write_json
from pipeline.workbench.runs.live import number
from pipeline.workbench.runs.process import identity, members
from pipeline.workbench.runs.wrapped import END_FILE, PROCESS_FILE

Phase = Literal["starting", "running", "stopping", "done", "failed", "stopped", "killed"]
STATE_FILE, STOPS_FILE, LOG_FILE = "state.json", "stops.json", "log"
PATIENCE_S = 30.0
"""A training that is stopped writes what it has learned; after this long the page offers to ask again."""
START_S = 15.0
"""A wrapper that has not begun by then never will."""
OVER: tuple[Phase, ...] = ("done", "failed", "stopped", "killed")


def read(path: Path) -> Any:
    """A small file of ours; None if it is missing or torn."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


@dataclass(frozen=True)
class Run:
    """`.athanor/workbench/runs/<number>/`."""

    folder: Path

    @property
    def number(self) -> int:
        return int(self.folder.name)

    @property
    def state(self) -> dict[str, Any]:
        """`argv`, `begun` (seconds), `job`: the queue's, or None."""
        found = read(self.folder / STATE_FILE)
        said = found if isinstance(found, dict) else {}
        argv, begun, job = said.get("argv"), number(said.get("begun")), said.get("job")
        words = [str(each) for each in argv] if isinstance(argv, list) else []
        return {"argv": words, "begun": begun or 0.0, "job": job if isinstance(job, str) else None}

    @property
    def log(self) -> Path:
        return self.folder / LOG_FILE

    @property
    def stops(self) -> list[float]:
        """When it was asked to stop."""
        found = read(self.folder / STOPS_FILE)
        times = map(number, found) if isinstance(found, list) else ()
        return [each for each in times if each is not None]

    @property
    def code(self) -> int | None:
        """The command's exit code; negative: the signal that ended it."""
        found = read(self.folder / END_FILE)
        code = found.get("code") if isinstance(found, dict) else None
        return code if isinstance(code, int) else None

    @property
    def process(self) -> int | None:
        """The number of its process group while any of it runs; another with the same number is not it: a
        number is not given again while its group lives.
        """
        found = read(self.folder / PROCESS_FILE)
        said = found if isinstance(found, dict) else {}
        pid, known = said.get("pid"), said.get("identity")
        if not isinstance(pid, int) or pid <= 1 or not isinstance(known, str):
            return None
        now = identity(pid)
        return pid if now == known or (now is None and members(pid)) else None

    @property
    def phase(self) -> Phase:
        process, code, stops = self.process, self.code, self.stops
        if code is not None:
            return "stopped" if stops and code else "failed" if code else "done"
        if process is not None:
            return "stopping" if stops else "running"
        if not (self.folder / PROCESS_FILE).exists() and time.time() - self.state["begun"] < START_S:
            return "starting"
        # The end may have been noted since it was read above.
        return "killed" if self.code is None else self.phase

    def stop(self, step: int) -> None:
        """Asks its whole process group to stop: 1 and 2 as Ctrl-C, the second after a while; 3 kills."""
        process, stops = self.process, self.stops
        if process is None or self.code is not None:
            raise UserError("this run has ended")
        if step != min(len(stops) + 1, 3):
            raise UserError("this run was asked to stop meanwhile; look again")
        if step == 2 and (left := PATIENCE_S - (time.time() - stops[0])) > 0:
            raise UserError(
                f"it is keeping what was trained; give it {left:.0f} more seconds, then ask again"
            )
        write_json(self.folder / STOPS_FILE, [*stops, time.time()])
        os.killpg(process, signal.SIGKILL if step == 3 else signal.SIGINT)
