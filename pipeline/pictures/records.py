"""What is known of each picture, from collecting to training: one JSON line a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files.atomic import read_jsonl, write_jsonl

RECORDS = "records.jsonl"
PICTURES = "pictures"


@dataclass(frozen=True, kw_only=True)
class Record:
    """A picture: `id` is `<concept>/<stem>`, `file` its path below pictures/, `sha256` that of the file's
    bytes.
    """

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
    """`ok`, `warn`, or `waived`: fit for training all the same. What is unfit stops `collect` and gets no
    record.
    """
    notes: list[str]
    """Why it is not simply `ok`, a sentence each."""
    group: str
    """Id of the first of the pictures that are nearly the same as this one, or its own: a group stays on one
    side of a validation split.
    """
    mask_file: str | None = None
    """Path below masks/ of the mask that says where the picture counts; None: everywhere."""
    mask_sha256: str | None = None
    origin: dict[str, Any]
    """Where it came from: for a collected picture its source path, for a crop the parent's hash, box and
    focus.
    """


def write_records(folder: Path, records: list[Record]) -> None:
    """records.jsonl in `folder`, by id."""
    write_jsonl(folder / RECORDS, [vars(record) for record in sorted(records, key=lambda r: r.id)])


def read_records(folder: Path) -> list[Record]:
    return [Record(**row) for row in read_jsonl(folder / RECORDS)]
