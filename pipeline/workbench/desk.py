"""All decision files: reading them, writing them one step at a time, undo and redo."""

from collections.abc import Mapping
from threading import RLock
from typing import Any

from pipeline.errors import UserError
from pipeline.workbench.decisions import FILES, Values
from pipeline.workbench.edited_file import ConflictError, EditedFile
from pipeline.workbench.journal import Journal, Step
from pipeline.workbench.settings import SETTINGS
from pipeline.workbench.versions import Versions


class Desk:
    """For several threads."""

    def __init__(self) -> None:
        self.versions, self.journal, self.lock = Versions(), Journal(), RLock()
        kinds = {**FILES, SETTINGS.name: SETTINGS}
        self.files = {name: EditedFile(kind, self.versions) for name, kind in kinds.items()}
        self._settle()

    def _settle(self) -> None:
        """What a killed process had begun is noted if its file was written, and forgotten if not."""
        begun = self.journal.begun
        if begun and begun.file in self.files and self._sha256(begun.file) == begun.after:
            self.journal.note(begun.kind)

    def open(self, name: str) -> EditedFile:
        """The file as it is on disk; a user error for one that its stage would refuse."""
        with self.lock:
            self.files[name].refresh()
            return self.files[name]

    def values(self, name: str) -> Values:
        return self.open(name).values

    def hashes(self) -> dict[str, str]:
        """Of the decision files; pages that write params.yaml ask for its own."""
        return {name: self._sha256(name) for name in FILES}

    def _sha256(self, name: str) -> str:
        """Empty for a file that its stage would refuse: the page that shows it says so."""
        try:
            return self.open(name).sha256
        except UserError:
            return ""

    def write(self, name: str, changes: Mapping[str, Any], seen: str | None, sentence: str) -> str:
        """Writes entries (None removes one) unless another has changed them since the version `seen`; returns
        the file's new hash.
        """
        with self.lock:
            file = self.open(name)
            file.insist_unchanged(changes, seen)
            real = {key: value for key, value in changes.items() if file.values.get(key) != value}
            if not real:
                return file.sha256
            entries = {key: [file.values.get(key), value] for key, value in real.items()}
            before = file.sha256
            file.change(
                real,
                lambda after: self.journal.begin(
                    "step", name, after, Step(name, sentence, before, after, entries)
                ),
            )
            self.journal.note("step")
            return file.sha256

    def undo(self) -> str:
        """Takes the last step back; the sentence."""
        with self.lock:
            if not self.journal.done:
                raise UserError("there is nothing to undo")
            step = self.journal.done[-1]
            self._move_or_skip(step, step.after, step.before, now=1, then=0)
            self.journal.note("undo")
            return f"Undone: {step.sentence}"

    def redo(self) -> str:
        with self.lock:
            if not self.journal.undone:
                raise UserError("there is nothing to redo")
            step = self.journal.undone[-1]
            self._move_or_skip(step, step.before, step.after, now=0, then=1)
            self.journal.note("redo")
            return f"Done again: {step.sentence}"

    def _move_or_skip(self, step: Step, source: str, target: str, now: int, then: int) -> None:
        """A step whose entries another has changed since is dropped: those before it can be reached."""
        try:
            self._move(step, source, target, now, then)
        except ConflictError as error:
            if error.entries:
                self.journal.note("skip undo" if now else "skip redo")
                names = ", ".join(sorted(error.entries)[:3])
                after = "Again undoes the step before" if now else "Again does the next step"
                raise UserError(
                    f"left as it is: {step.sentence}; another program has changed {names} since. {after}"
                ) from None
            raise

    def _move(self, step: Step, source: str, target: str, now: int, then: int) -> None:
        """From one version to the other: the same bytes if nobody has changed the file, else by entry."""
        file = self.open(step.file)

        def announce(after: str) -> None:
            self.journal.begin("undo" if now else "redo", step.file, after)

        data = self.versions.get(target)
        if file.sha256 == source and data is not None:
            file.restore(data, {name: pair[then] for name, pair in step.entries.items()}, announce)
            return
        others = {
            name: (None, None) for name, pair in step.entries.items() if file.values.get(name) != pair[now]
        }
        if others:
            raise ConflictError(others)
        file.change({name: pair[then] for name, pair in step.entries.items()}, announce)
