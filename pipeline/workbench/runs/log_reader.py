"""A log that grows: its last lines as text, and the stages that DVC says it ran."""

import re
from pathlib import Path

MOST_LOG_CHARACTERS = 200_000
"""Characters of a log that are kept; the file has all."""
MOST_LOG_BYTES = 1 << 20
"""Bytes read at a time."""
CONTROLS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
STAGE_LINES = (
    (re.compile(r"Running stage '([^']{1,200})':?"), "running"),
    (re.compile(r"(?:Stage )?'([^']{1,200})' didn't change, skipping"), "unchanged"),
    (re.compile(r"Stage '([^']{1,200})' is cached - skipping run"), "cached"),
)


class LogReader:
    """`text`: the last characters, of which `num_cut` are before it; `stages`: by name, in their order."""

    def __init__(self, path: Path) -> None:
        self.path, self.offset, self.rest = path, 0, b""
        self.text, self.num_cut = "", 0
        self.stages: dict[str, str] = {}

    @property
    def end(self) -> int:
        """Characters that were read so far."""
        return self.num_cut + len(self.text)

    def poll(self) -> bool:
        """Reads what is new; whether there was any."""
        try:
            with self.path.open("rb") as file:
                if file.seek(0, 2) < self.offset:
                    self.__init__(self.path)  # type: ignore[misc]  # replaced by a shorter one
                file.seek(self.offset)
                data = file.read(MOST_LOG_BYTES)
        except OSError:
            return False
        self.offset += len(data)
        whole, newline, self.rest = (self.rest + data).rpartition(b"\n")
        if len(self.rest) > MOST_LOG_CHARACTERS:  # no line is that long
            whole, self.rest = whole + newline + self.rest, b""
        if whole or newline:
            self._take((whole + newline).decode("utf-8", "replace"))
        return bool(data)

    def _take(self, text: str) -> None:
        lines = [shown_line(line) for line in text.split("\n")]
        for line in lines:
            self._note_stage(line)
        self.text += "\n".join(lines)
        if (over := len(self.text) - MOST_LOG_CHARACTERS) > 0:
            self.num_cut += over
            self.text = self.text[over:]

    def _note_stage(self, line: str) -> None:
        for pattern, state in STAGE_LINES:
            if found := pattern.match(line):
                for name, known in self.stages.items():
                    if known == "running":
                        self.stages[name] = "done"
                self.stages[found[1]] = state

    @property
    def stage(self) -> str | None:
        """The one that DVC began last."""
        return next((name for name, state in reversed(self.stages.items()) if state == "running"), None)

    @property
    def last_line(self) -> str:
        """What a bar shows: it is written over without a new line."""
        return shown_line(self.rest.decode("utf-8", "replace"))[:500]


def shown_line(line: str) -> str:
    """As a terminal shows it in the end: without colours, and with what a bar wrote last."""
    parts = [part for part in line.split("\r") if part.strip()]
    return CONTROLS.sub("", parts[-1] if parts else "")
