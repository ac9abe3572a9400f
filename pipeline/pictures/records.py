"""Facts about each picture, from collecting to training: one JSON line per picture."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pipeline.files.atomic import JsonLines, write_jsonl

RECORDS_FILE = "records.jsonl"
PICTURE_FOLDER = "pictures"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A picture: `id` is `<concept>/<stem>`, `file` its path below pictures/, `sha256` of its bytes."""

    id: str
    file: str
    sha256: str
    width_px: int
    height_px: int
    concept: str
    repeats: int
    is_class: bool
    """A picture of the class (regularisation), not of the subject."""
    caption: str | None
    verdict: str
    """`ok`, `warn` or `waived`, all fit for training. Unfit pictures stop `collect` and get no record.
    """
    notes: list[str]
    """Reasons why it is not `ok`, a sentence each."""
    group: str
    """Id of the first near duplicate of this picture, or its own: a group stays on one side of a validation
    split.
    """
    mask_file: str | None = None
    """Path of its mask below masks/; None: the whole picture counts."""
    mask_sha256: str | None = None
    origin: dict[str, Any]
    """Where it is from: a collected picture's source path, or a crop's parent hash, box and focus."""


def row_of(record: Record) -> dict[str, Any]:
    """Its line in records.jsonl."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


class Records:
    """The records of a folder, read one by one on each iteration."""

    def __init__(self, folder: Path) -> None:
        self.rows = JsonLines(folder / RECORDS_FILE)

    def __iter__(self) -> Iterator[Record]:
        return (Record(**row) for row in self.rows)

    def ids(self) -> Iterator[str]:
        return (row["id"] for row in self.rows)

    def count(self) -> int:
        return self.rows.count()


def write_records(folder: Path, records: Iterable[Record]) -> None:
    """Writes records.jsonl into `folder`; `records` are sorted by id."""
    write_jsonl(folder / RECORDS_FILE, map(row_of, records))


def read_records(folder: Path) -> list[Record]:
    return list(Records(folder))
