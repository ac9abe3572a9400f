"""Atomic writes: a file or folder is complete or absent, since it is renamed into place when done."""

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
    """Writes `data` to `path`, whole or not at all; creates parent folders."""
    with new_file(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """With sorted keys, an indent of two, and a final newline."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """A JSON object per line, with sorted keys."""
    with new_file(path) as part, part.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with new_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


class JsonLines:
    """The rows of a .jsonl, read line by line on each iteration."""

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
    """A temporary path next to `path`; renamed to it on success, removed on failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two threads may write the same store item at once.
    part = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """An empty temporary folder next to `path`; replaces it on success, removed on failure."""
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
    """Renames a folder, then removes it, so that a thread still writing to the old name fails."""
    if folder.exists():
        doomed = folder.with_name(f"{folder.name}.{os.getpid()}")
        os.replace(folder, doomed)
        shutil.rmtree(doomed, ignore_errors=True)
