"""Steps that can be undone, a line each in .athanor/workbench/journal.jsonl; a torn last line is left out."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.files.atomic import write_jsonl
from pipeline.workbench import STATE_FOLDER

MOST_STEPS = 1000


@dataclass(frozen=True)
class Step:
    """One write: `before` and `after` are the file's hashes, `entries` each entry's values then and since."""

    file: str
    sentence: str
    before: str
    after: str
    entries: Mapping[str, list[Any]]


class Journal:
    """`done`: steps that undo takes back, the last first; `undone`: those that redo does again."""

    def __init__(self, path: Path = STATE_FOLDER / "journal.jsonl") -> None:
        self.path = path
        self.done: list[Step] = []
        self.undone: list[Step] = []
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        for line in text.splitlines():
            self._take(line)
        self.is_torn = bool(text) and not text.endswith("\n")
        del self.done[:-MOST_STEPS]

    def _take(self, line: str) -> None:
        try:
            said = json.loads(line)
            self._apply(said["kind"], Step(**said["step"]) if said["kind"] == "step" else None)
        except (ValueError, KeyError, TypeError, IndexError):
            return

    def _apply(self, kind: str, step: Step | None) -> None:
        if step is not None:
            self.done.append(step)
            self.undone.clear()
        elif kind == "undo":
            self.undone.append(self.done.pop())
        elif kind == "redo":
            self.done.append(self.undone.pop())
        elif kind in ("skip undo", "skip redo"):
            (self.done if kind == "skip undo" else self.undone).pop()

    def note(self, kind: str, step: Step | None = None) -> None:
        """`step`: a new step; `undo` and `redo`: moves the last one; `skip …`: drops it."""
        self._apply(kind, step)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        row = {"kind": kind, "step": asdict(step)} if step else {"kind": kind}
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" * self.is_torn)
            self.is_torn = False
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        if len(self.done) > 2 * MOST_STEPS:
            del self.done[:-MOST_STEPS]
            write_jsonl(self.path, ({"kind": "step", "step": asdict(each)} for each in self.done))


def number_of(count: int, what: str) -> str:
    """`1 picture`, `2 pictures`, for a step's sentence."""
    return f"{count} {what}{'' if count == 1 else 's'}"
