"""Captions in a table next to the pictures, as Hugging Face's ImageFolder reads them: metadata.jsonl or
metadata.csv with a column `file_name` and a text column.
"""

import csv
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.files.json_text import JsonError, parse_mapping
from pipeline.files.sorted_rows import SortedRows
from pipeline.files.text_file import CAPTION_JSON, shown
from pipeline.pictures.sidecars import TAG_KEYS, CaptionError, lines_of
from pipeline.texts.separators import COMMAS, Separators

METADATA_FILES = ("metadata.jsonl", "metadata.csv")
FILE_NAME = "file_name"


def read_rows(
    path: Path, columns: Sequence[str], separators: Separators = COMMAS
) -> Iterator[tuple[str, str | None]]:
    """File name, relative to the table's folder, and caption: the first of `columns` with a value in the row,
    else None. Raises CaptionError.
    """
    seen = SortedRows()
    try:
        for number, row in _rows(path):
            name = row.get(FILE_NAME)
            if not isinstance(name, str) or not name:
                raise CaptionError(f"line {number} has no `{FILE_NAME}`; each row must name its picture")
            if name in seen:
                raise CaptionError(f"line {number} repeats {name}; delete one of the rows")
            seen.add(name, "", None)
            yield name, caption_in(row, columns, separators)
    except UnicodeDecodeError as error:
        raise CaptionError(f"not UTF-8 ({error.reason}); save it as UTF-8") from None
    except csv.Error as error:
        raise CaptionError(f"not readable CSV ({error}); correct or delete it") from None


def caption_in(row: dict[str, Any], columns: Sequence[str], separators: Separators = COMMAS) -> str | None:
    """The first of `columns` with a value in the row, with its lines; a list gives a line each, a list of
    tags one line.
    """
    for column in columns:
        value = row.get(column)
        if isinstance(value, list):
            value = (separators.joiner if column in TAG_KEYS else "\n").join(map(str, value))
        if (text := lines_of(value)) is not None:
            return text
    return None


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".csv":
            reader = csv.DictReader(file)
            for row in reader:
                yield reader.line_num, row
            return
        for number, line in enumerate(iter(partial(file.readline, CAPTION_JSON.most + 1), ""), 1):
            if len(line) > CAPTION_JSON.most:
                raise CaptionError(
                    f"line {number} is longer than {shown(CAPTION_JSON.most)}; correct or delete it"
                )
            if line.strip():
                yield number, _json_row(line, number)


def _json_row(line: str, number: int) -> dict[str, Any]:
    try:
        return parse_mapping(line)
    except JsonError as error:
        raise CaptionError(f"line {number} is not readable JSON ({error})") from None
