"""Texts that the decision files had, by their SHA-256: what a page saw, and what undo brings back."""

import zlib
from pathlib import Path

from pipeline.files.atomic import write_bytes
from pipeline.files.hashing import sha256_of_bytes
from pipeline.files.text_file import MANUAL_EDITS
from pipeline.workbench import STATE_FOLDER

MOST_VERSIONS = 1001
"""One more than the steps that can be undone."""
MOST_VERSION_BYTES = 256 << 20
"""Of all versions together."""


class Versions:
    """Kept below the state folder; the oldest are removed."""

    def __init__(self, folder: Path = STATE_FOLDER / "versions") -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        digest = sha256_of_bytes(data)
        path = self._path(digest)
        if not path.exists():
            write_bytes(path, zlib.compress(data, 1))
            self._trim()
        return digest

    def get(self, digest: str) -> bytes | None:
        """None if it was removed or damaged."""
        try:
            packed = self._path(digest).read_bytes() if digest.isalnum() else b""
            data = zlib.decompressobj().decompress(packed, MANUAL_EDITS.most)
        except (OSError, zlib.error):
            return None
        return data if sha256_of_bytes(data) == digest else None

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.zlib"

    def _trim(self) -> None:
        files = sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        total = 0
        for number, path in enumerate(files):
            total += path.stat().st_size
            if number >= MOST_VERSIONS or total > MOST_VERSION_BYTES:
                path.unlink(missing_ok=True)
