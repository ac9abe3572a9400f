"""What is new of a run for one open page: its state, its log, its training's numbers."""

import json
from collections.abc import Iterator
from typing import Any

from pipeline.workbench.runs.thinning import thinned
from pipeline.workbench.runs.watch import Watch

MOST_NEW_CHARACTERS = 60_000
"""Characters of a log in one event; a page that comes late gets the last ones."""


class RunNews:
    """What one page has got already."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.said: dict[str, Any] = {}
        self.log: Any = None
        self.log_end = self.steps = self.epochs = self.findings = 0
        self.generation: tuple[int, int] | None = None

    def new(self) -> Iterator[tuple[str, Any]]:
        """Events, each a name and its content."""
        with self.watch.lock:
            self.watch.poll()
            yield from self._once("run", self.watch.shown())
            yield from self._of_log()
            yield from self._of_training()
            samples = [[*place, path.stat().st_mtime_ns] for place, path in self.watch.samples().items()]
            yield from self._once("samples", samples)

    def _once(self, name: str, content: Any) -> Iterator[tuple[str, Any]]:
        if self.said.get(name) != content:
            self.said[name] = json.loads(json.dumps(content))
            yield name, content

    def _of_log(self) -> Iterator[tuple[str, Any]]:
        log = self.watch.log
        is_new = log is not self.log or log.end < self.log_end
        start = max(0 if is_new else self.log_end, log.end - MOST_NEW_CHARACTERS, log.num_cut)
        if is_new or start < log.end:
            yield (
                "log",
                {"anew": is_new, "cut": start > 0 and is_new, "text": log.text[start - log.num_cut :]},
            )
        self.log, self.log_end = log, log.end
        yield from self._once("bar", log.last_line)

    def _of_training(self) -> Iterator[tuple[str, Any]]:
        live = self.watch.live
        which = (id(live), live.generation)
        if is_new := which != self.generation:
            self.generation, self.steps, self.epochs, self.findings = which, -1, 0, 0
        fresh = [row for row in live.steps if row["step"] > self.steps]
        found = {
            "anew": is_new, "run": live.run, "end": live.end, "isOn": self.watch.is_training,
            "steps": thinned(fresh), "epochs": live.epochs[self.epochs :],
            "findings": live.findings[self.findings :],
        }  # fmt: skip
        if fresh:
            self.steps = fresh[-1]["step"]
        self.epochs, self.findings = len(live.epochs), len(live.findings)
        if is_new or fresh or found["epochs"] or found["findings"]:
            yield "live", found
        yield from self._once("training", {"end": live.end, "isOn": found["isOn"]})
