"""Writing so that a file or folder is whole or absent: beside, then renamed."""

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` to `path`, whole or not at all; makes the folders above."""
    with new_file(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Sorted keys, two spaces, a newline at the end."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """A JSON object a line, keys sorted."""
    with new_file(path) as part, part.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with new_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


class JsonLines:
    """The rows of a .jsonl, read line by line each time they are gone through."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self.path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)

    def count(self) -> int:
        with self.path.open("rb") as file:
            return sum(1 for _ in file)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return list(JsonLines(path))


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to it on success, removed on any failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two threads may write the same item of a store at once.
    part = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` to fill; replaces it on success, removed on any failure."""
    part, old = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.old")
    _discard(part)
    try:
        part.mkdir(parents=True)
        yield part
        if path.exists():
            os.replace(path, old)
        os.replace(part, path)
    finally:
        if old.exists() and not path.exists():
            os.replace(old, path)
        _discard(part)
        _discard(old)


def _discard(folder: Path) -> None:
    """Removes a folder; a thread that still writes into it by name finds it gone."""
    if folder.exists():
        doomed = folder.with_name(f"{folder.name}.{os.getpid()}")
        os.replace(folder, doomed)
        shutil.rmtree(doomed, ignore_errors=True)
