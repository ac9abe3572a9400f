"""What a training writes while it runs (`logs/<train.name>/live.jsonl`), read as it grows.

A torn last line waits for its rest; a line that is no JSON, or says nothing known, is left out; a file that
was replaced is read anew.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOST_LINE, MOST_LIVE_BYTES = 1 << 16, 4 << 20
ANCHOR = 512
"""Bytes before the place of reading that must still be the same."""
MOST_LIVE_ROWS, MOST_FINDINGS = 100_000, 50
LIVE_NUMBERS = (
    "loss", "lr", "text_encoder_lr", "gradient_norm", "pictures_per_s", "memory_bytes", "seconds_left",
)  # fmt: skip


class LiveReader:
    """`run`: the first line; `steps`, `epochs`: rows; `findings`: the doctor's; `end`: done or stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clear()

    def clear(self) -> None:
        self.offset, self.anchor, self.inode = 0, b"", 0
        self.run: dict[str, Any] = {}
        self.steps: list[dict[str, Any]] = []
        self.epochs: list[dict[str, Any]] = []
        self.findings: list[dict[str, str]] = []
        self.end: str | None = None
        self.generation = getattr(self, "generation", 0) + 1

    def poll(self) -> bool:
        """Reads whole new lines; whether there was any, or another file."""
        before = self.generation
        try:
            with self.path.open("rb") as file:
                self._insist_on_same(file)
                file.seek(self.offset)
                data = file.read(MOST_LIVE_BYTES)
        except OSError:
            if self.offset:
                self.clear()
            return self.generation != before
        whole, newline, rest = data.rpartition(b"\n")
        if not newline and len(rest) > MOST_LINE:
            whole = rest  # no line of ours is that long
        taken = whole + newline
        self.offset += len(taken)
        self.anchor = (self.anchor + taken)[-ANCHOR:]
        for line in whole.split(b"\n"):
            self._take(line)
        return bool(taken) or self.generation != before

    def _insist_on_same(self, file: Any) -> None:
        """Starts anew if this is another file than before: shorter, or with other bytes before our place."""
        inode, size = file.fileno() and Path(self.path).stat().st_ino, file.seek(0, 2)
        file.seek(max(0, self.offset - len(self.anchor)))
        is_same = size >= self.offset and file.read(len(self.anchor)) == self.anchor
        if self.offset and not (is_same and inode == self.inode):
            self.clear()
        self.inode = inode

    def _take(self, line: bytes) -> None:
        if not line.strip() or len(line) > MOST_LINE:
            return
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(said, dict):
            self._note(said)

    def _note(self, said: Mapping[str, Any]) -> None:
        if isinstance(run := said.get("run"), dict):
            self.run = {key: number(run.get(key)) for key in ("done", "steps", "epochs")}
            self.run["name"] = str(run.get("name", ""))[:200]
        elif isinstance(found := said.get("finding"), dict):
            row = {key: str(found.get(key, ""))[:2000] for key in ("kind", "sentence", "advice")}
            if len(self.findings) < MOST_FINDINGS and row not in self.findings:
                self.findings.append(row)
        elif said.get("end") in ("done", "stopped"):
            self.end = str(said["end"])
        elif (step := number(said.get("step"))) is not None:
            self._note_step(
                {"step": step, **{name: number(said.get(name)) for name in ("epoch", *LIVE_NUMBERS)}}
            )
        elif "validation" in said and (epoch := number(said.get("epoch"))) is not None:
            self.epochs.append({"epoch": epoch, "validation": number(said["validation"])})

    def _note_step(self, row: dict[str, Any]) -> None:
        """After a rollback earlier steps come again and replace those that were taken back."""
        while self.steps and self.steps[-1]["step"] >= row["step"]:
            self.steps.pop()
        self.steps.append(row)
        if len(self.steps) > MOST_LIVE_ROWS:
            self.steps = self.steps[::2]


def number(value: Any) -> float | int | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e300 and math.isfinite(value) else None
