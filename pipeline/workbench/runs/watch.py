"""The run that goes on, or the last one: all that its page shows, and what the bar of every page shows."""

import re
from pathlib import Path
from threading import RLock
from typing import Any

from pipeline.config.graph_file import RESOLVED_PARAMS
from pipeline.errors import UserError
from pipeline.files.yaml_text import read_yaml
from pipeline.workbench.runs.live import LiveReader
from pipeline.workbench.runs.log_reader import LogReader
from pipeline.workbench.runs.run import OVER, PATIENCE_S, Phase, Run
from pipeline.workbench.runs.runs import Runs
from pipeline.workbench.runs.samples import samples_in

LOGS = Path("logs")
SWEEPS = Path(".athanor/sweeps")
"""Where pipeline.sweep keeps a job's worktree and log."""
PLAIN_FOLDER = re.compile(r"\w[\w. -]*")
KEPT_LINES = ("to resume from the last checkpoint", "the network after ", "no partial file is saved")
"""How the lines begin in which a stopped training says what it kept (pipeline/training/session.py)."""
SENTENCES = {
    "starting": "It starts.",
    "running": "It runs.",
    "stopping": "Asked to stop.",
    "done": "Done.",
    "failed": "It failed; the log says why.",
    "stopped": "Stopped. Stages that ended are kept.",
    "killed": "It ended without an exit code: it was killed. A training goes on from its last checkpoint.",
}


def own_name() -> str:
    """`train.name` of the composed settings."""
    try:
        return str(read_yaml(RESOLVED_PARAMS)["train"]["name"])
    except (UserError, OSError, KeyError, TypeError):
        return ""


class Watch:
    """Polled by every open page; reads only what is new."""

    def __init__(self, runs: Runs) -> None:
        self.runs, self.lock = runs, RLock()
        self.log, self.live = LogReader(Path()), LiveReader(Path())
        self.run: Run | None = None
        self.name, self.stamp = "", -1

    def poll(self) -> None:
        with self.lock:
            self.run = self.runs.current()
            folder, log = self._places()
            if log != self.log.path:
                self.log = LogReader(log)
            if folder / "live.jsonl" != self.live.path:
                self.live = LiveReader(folder / "live.jsonl")
            while self.log.poll():
                pass
            self.live.poll()  # a part of a long file at a time

    def _places(self) -> tuple[Path, Path]:
        """The folder of its training's logs, and its own log."""
        stamp = RESOLVED_PARAMS.stat().st_mtime_ns if RESOLVED_PARAMS.exists() else 0
        if stamp != self.stamp:
            self.name, self.stamp = own_name(), stamp
        root, log = Path(), self.run.log if self.run else Path("no run")
        job = self.run.state.get("job") if self.run else None
        if isinstance(job, str) and PLAIN_FOLDER.fullmatch(job) and ".." not in job:
            root = SWEEPS / "worktrees" / job
            theirs = SWEEPS / "logs" / f"{job}.log"
            log = theirs if theirs.exists() and self.run and not self.is_over else log
        name = self.name if PLAIN_FOLDER.fullmatch(self.name) else "no name"
        return root / LOGS / name, log

    @property
    def is_over(self) -> bool:
        return self.run is None or self.run.phase in OVER

    def samples(self) -> dict[tuple[int, int], Path]:
        return samples_in(self.live.path.parent / "samples")

    def shown(self) -> dict[str, Any]:
        """The run's state: of a size that does not grow."""
        run = self.run
        if run is None:
            return {"phase": "idle", "said": "Nothing was run here yet."}
        phase, stops, state = run.phase, run.stops, run.state
        return {
            "number": run.number, "phase": phase, "said": self._said(phase), "code": run.code,
            "job": state.get("job"), "begun": state["begun"],
            "argv": "" if state.get("job") else command_shown(state["argv"]),
            "stops": len(stops), "again": stops[0] + PATIENCE_S if stops else None, "stages": self.log.stages,
        }  # fmt: skip

    def _said(self, phase: Phase) -> str:
        """After a stop: what the training says that it kept."""
        if phase == "stopping" and self.log.stage == "train":
            return "Asked to stop; what was trained is being kept."
        kept = [line for line in self.log.text.splitlines() if line.startswith(KEPT_LINES)]
        if phase != "stopped" or not kept:
            return SENTENCES[phase]
        return "Stopped: " + "; ".join(dict.fromkeys(kept[-len(KEPT_LINES) :])) + "."

    def top(self) -> dict[str, Any]:
        """For the bar of all pages."""
        if self.is_over or self.run is None:
            return {"phase": self.run.phase if self.run else "idle"}
        found: dict[str, Any] = {"phase": self.run.phase, "stage": self.log.stage}
        if self.is_training and self.live.steps:
            last = self.live.steps[-1]
            found |= {"step": last["step"], "steps": self.live.run.get("steps"), "left": last["seconds_left"]}
        return found

    @property
    def is_training(self) -> bool:
        """Whether the numbers are of this run, and go on."""
        return self.log.stage == "train" and self.live.end is None


def command_shown(argv: list[str]) -> str:
    """As a person would type it."""
    words = argv[2:] if argv[1:2] == ["-m"] else argv
    return " ".join(words)
