"""Steps that can be undone, in .athanor/workbench/journal.jsonl; a torn last line is left out.

A step is begun, its file is written, the step is noted: after a kill in the middle the file's hash says which
of the two was the last.
"""

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


@dataclass(frozen=True)
class Begun:
    """A step, `undo` or `redo` that may have been written: `after` is then the hash of `file`."""

    kind: str
    file: str
    after: str
    step: Step | None


class Journal:
    """`done`: steps that undo takes back, the last first; `undone`: those that redo does again; `begun`: what
    the last process was at when it was killed.
    """

    def __init__(self, path: Path = STATE_FOLDER / "journal.jsonl") -> None:
        self.path = path
        self.done: list[Step] = []
        self.undone: list[Step] = []
        self.begun: Begun | None = None
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        for line in text.splitlines():
            self._take(line)
        self.is_torn = bool(text) and not text.endswith("\n")
        del self.done[:-MOST_STEPS]

    def _take(self, line: str) -> None:
        try:
            said = json.loads(line)
            step = Step(**said["step"]) if said.get("step") else None
            if said["kind"] == "begun":
                self.begun = Begun(said["of"], said["file"], said["after"], step)
            else:
                self._apply(said["kind"], step)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return

    def _apply(self, kind: str, step: Step | None) -> None:
        begun, self.begun = self.begun, None
        step = step or (begun.step if begun and kind == "step" else None)
        if step is not None:
            self.done.append(step)
            self.undone.clear()
        elif kind == "undo":
            self.undone.append(self.done.pop())
        elif kind == "redo":
            self.done.append(self.undone.pop())
        elif kind in ("skip undo", "skip redo"):
            (self.done if kind == "skip undo" else self.undone).pop()

    def begin(self, kind: str, file: str, after: str, step: Step | None = None) -> None:
        """Before `file` is written; `note` follows when it is."""
        self.begun = Begun(kind, file, after, step)
        self._add({"kind": "begun", "of": kind, "file": file, "after": after, "step": step and asdict(step)})

    def note(self, kind: str) -> None:
        """`step`: the one that was begun; `undo` and `redo`: moves the last one; `skip …`: drops it."""
        self._apply(kind, None)
        self._add({"kind": kind})
        if len(self.done) > 2 * MOST_STEPS:
            del self.done[:-MOST_STEPS]
            write_jsonl(self.path, ({"kind": "step", "step": asdict(each)} for each in self.done))

    def _add(self, row: Mapping[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" * self.is_torn)
            self.is_torn = False
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def number_of(count: int, what: str) -> str:
    """`1 picture`, `2 pictures`, for a step's sentence."""
    return f"{count} {what}{'' if count == 1 else 's'}"
