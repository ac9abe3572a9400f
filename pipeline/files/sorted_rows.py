"""Rows sorted by name, on disk: for sets too large for memory."""

import errno
import json
import sqlite3
from collections.abc import Container, Iterator
from typing import Any

CACHE_KIB = 1024


class SortedRows:
    """JSON values by two names; equal names keep their insertion order. Stored in a temporary SQLite file
    below TMPDIR or in /var/tmp, which ends with the object or the process. For one thread.
    """

    def __init__(self) -> None:
        self.disk, self.number = sqlite3.connect(""), 0
        self.disk.execute("PRAGMA journal_mode = OFF")
        self.disk.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self.disk.execute(
            "CREATE TABLE rows (name BLOB, second BLOB, number INTEGER, value TEXT,"
            " PRIMARY KEY (name, second, number)) WITHOUT ROWID"
        )

    def __del__(self) -> None:
        self.disk.close()

    def add(self, name: str, second: str, value: Any) -> None:
        self.number += 1
        row = (_bytes(name), _bytes(second), self.number, json.dumps(value))
        try:
            self.disk.execute("INSERT INTO rows VALUES (?, ?, ?, ?)", row)
        except sqlite3.OperationalError as error:
            raise OSError(errno.ENOSPC, str(error)) from error

    def __iter__(self) -> Iterator[Any]:
        rows = self.disk.execute("SELECT value FROM rows ORDER BY name, second, number")
        return (json.loads(value) for (value,) in rows)

    def numbered(self, numbers: Container[int]) -> Iterator[tuple[int, Any]]:
        """The values with these numbers, counted from 0 in order."""
        rows = self.disk.execute("SELECT value FROM rows ORDER BY name, second, number")
        for number, (value,) in enumerate(rows):
            if number in numbers:
                yield number, json.loads(value)

    def __len__(self) -> int:
        (length,) = self.disk.execute("SELECT count(*) FROM rows").fetchone()
        return int(length)

    def __contains__(self, name: str) -> bool:
        rows = self.disk.execute("SELECT 1 FROM rows WHERE name = ? LIMIT 1", (_bytes(name),))
        return rows.fetchone() is not None

    def names(self) -> Iterator[str]:
        """Each name once, in order."""
        rows = self.disk.execute("SELECT DISTINCT name FROM rows ORDER BY name")
        return (name.decode(errors="surrogatepass") for (name,) in rows)

    def repeated(self) -> Iterator[str]:
        """Names with several values, in order."""
        rows = self.disk.execute("SELECT name FROM rows GROUP BY name HAVING count(*) > 1 ORDER BY name")
        return (name.decode(errors="surrogatepass") for (name,) in rows)

    def of(self, name: str) -> list[Any]:
        """The values of a name."""
        rows = self.disk.execute(
            "SELECT value FROM rows WHERE name = ? ORDER BY second, number", (_bytes(name),)
        )
        return [json.loads(value) for (value,) in rows]

    def take(self, name: str) -> list[Any]:
        """Removes and returns the values of a name."""
        if values := self.of(name):
            self.disk.execute("DELETE FROM rows WHERE name = ?", (_bytes(name),))
        return values


def _bytes(name: str) -> bytes:
    """Bytes that sort like the text; file names may not be valid UTF-8."""
    return name.encode(errors="surrogatepass")
