"""A decision file as it is now: read once, then changed by entry; another's change is noticed and read."""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.errors import UserError
from pipeline.files.atomic import write_bytes
from pipeline.files.hashing import sha256_of_bytes
from pipeline.files.text_file import MANUAL_EDITS
from pipeline.files.yaml_entries import TIED, Entries, NotIndexedError, flow, indexed
from pipeline.workbench.decisions import DecisionFile, Values
from pipeline.workbench.versions import Versions

BOM = "\ufeff"
FEW = 200
"""Changes up to this number are read back by the stage's reader; of more, every entry's value is checked."""


Announce = Callable[[str], None]
"""Is given the hash of the file's next text just before that is written."""


class ConflictError(Exception):
    """Another has changed the same entries; `entries`: by name, what they were and what they are."""

    def __init__(self, entries: Mapping[str, tuple[str | None, str | None]]) -> None:
        super().__init__(f"{len(entries)} entries")
        self.entries = dict(entries)


class EditedFile:
    """`values`: by name; `entries`: the lines, found when needed. Not for several threads at once."""

    def __init__(self, kind: DecisionFile, versions: Versions) -> None:
        self.kind, self.versions = kind, versions
        self.sha256, self.stamp = "", (-1, -1)
        self.values: Values = {}
        self.has_bom = False
        self.lines: Entries | None = Entries(())

    @property
    def entries(self) -> Entries:
        if self.lines is None:
            self.lines = self._entries(self._text(self._data()), self.values)
        return self.lines

    def refresh(self) -> bool:
        """Reads the file again if it is another now; a user error for one that the stage would refuse."""
        stamp = self._stamp()
        if stamp == self.stamp and self.sha256:
            return False
        data = self._data()
        if (digest := sha256_of_bytes(data)) != self.sha256:
            text = self._text(data)
            values, self.has_bom = self.kind.read(text), text.startswith(BOM)
            self.values, self.lines = values, None
            self.sha256 = self.versions.put(data)
            assert self.sha256 == digest
            self.stamp = stamp
            return True
        self.stamp = stamp
        return False

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self.kind.path.stat()
        except FileNotFoundError:
            return (0, 0)
        return found.st_mtime_ns, found.st_size

    def _data(self) -> bytes:
        return self.kind.path.read_bytes() if self.kind.path.exists() else b""

    def _text(self, data: bytes) -> str:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{self.kind.path} is not UTF-8 (byte {error.start}); save it as UTF-8") from None

    def _entries(self, text: str, values: Values) -> Entries:
        """A file of another form is taken entry by entry; its first change writes it anew."""
        try:
            entries = indexed(text.removeprefix(BOM))
        except NotIndexedError:
            self._insist_on_nothing_lost(text)
            return Entries(()).changed(
                {name: self.kind.written(name, each, None) for name, each in values.items()}
            )
        return entries

    def _insist_on_nothing_lost(self, text: str) -> None:
        """Before a file of another form is written anew."""
        if "#" in text or TIED.search(text):
            raise UserError(
                f"{self.kind.path} cannot be changed entry by entry without losing comments or anchors"
                " (anchors, several documents, or all in one pair of braces); write each entry on lines of"
                " its own, or edit the file by hand"
            )

    def insist_unchanged(self, names: Mapping[str, Any], seen: str | None) -> None:
        """Raises ConflictError if one of these entries is not what it was in the version `seen`."""
        if seen in (None, "", self.sha256):
            return
        data = self.versions.get(str(seen))
        then = self.kind.read(self._text(data)) if data is not None else {}
        changed = {
            name: (_shown(then.get(name)), _shown(self.values.get(name)))
            for name in names
            if data is None or then.get(name) != self.values.get(name)
        }
        if changed:
            raise ConflictError(changed)

    def change(self, changes: Mapping[str, Any], announce: Announce) -> None:
        """Writes entries, None removes one; a user error, in the stage's words, for what it would refuse."""
        faults = [
            fault
            for name, value in changes.items()
            if value is not None
            for fault in self.kind.faults(name, value)
        ]
        if faults:
            raise UserError(*faults)
        texts = {
            name: None if value is None else self._written(name, value) for name, value in changes.items()
        }
        self._insist_on_readable({name: text for name, text in texts.items() if text is not None}, changes)
        entries = self.entries.changed(texts)
        values = {**self.values, **changes}
        self._replace((BOM * self.has_bom + entries.text).encode("utf-8"), announce)
        self.lines = entries
        self.values = {name: value for name, value in values.items() if value is not None}

    def _written(self, name: str, value: Any) -> str:
        """An entry's lines, with the file's own line ends."""
        old = self.entries.of(name)
        text = self.kind.written(name, value, None if old is None else old.replace("\r\n", "\n"))
        return text.replace("\n", self.entries.newline)

    def _insist_on_readable(self, texts: Mapping[str, str], changes: Mapping[str, Any]) -> None:
        """What was written is read back as the same, before it replaces the file."""
        if len(texts) > FEW:
            return
        back = self.kind.read("".join(texts.values()))
        if wrong := [name for name in texts if back.get(name) != changes[name]]:
            raise UserError(
                f"{self.kind.path}: {wrong[0]} cannot be written ({flow(changes[wrong[0]])[:80]})"
            )

    def restore(self, data: bytes, changes: Mapping[str, Any], announce: Announce) -> None:
        """Writes an earlier version whole, which was valid then; `changes`: the entries that differ."""
        values = {**self.values, **changes}
        self._replace(data, announce)
        self.lines = None
        self.values = {name: value for name, value in values.items() if value is not None}

    def _replace(self, data: bytes, announce: Announce) -> None:
        if len(data) > MANUAL_EDITS.most:
            raise UserError(f"{self.kind.path} would be too long; {MANUAL_EDITS.cure}")
        if self._stamp() != self.stamp:
            raise ConflictError({})
        digest = self.versions.put(data)
        announce(digest)
        write_bytes(self.kind.path, data)
        self.sha256, self.stamp = digest, self._stamp()


def _shown(value: Any) -> str | None:
    return None if value is None else flow(value)
