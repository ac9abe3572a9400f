"""Pictures and captions in a parquet table, as Hugging Face's datasets store them: a column of image bytes,
or of structs with a field `bytes`, and columns of text. Read in small batches, to bound memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files.damage import reason_of
from pipeline.pictures.metadata_rows import caption_in
from pipeline.texts.separators import COMMAS, Separators

BATCH_ROWS = 16
DAMAGED_PARQUET = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError, RuntimeError,
)  # fmt: skip
"""What pyarrow raises on damaged bytes in addition to its own errors."""


class ParquetError(Exception):
    """Why a table is not read, in a few words."""


@dataclass(frozen=True)
class ParquetRow:
    """One picture of the table, counted from 0."""

    number: int
    picture: bytes
    caption: str | None


def read_parquet(path: Path, columns: Sequence[str], separators: Separators = COMMAS) -> Iterator[ParquetRow]:
    """The table's pictures; `columns` as for metadata rows. Raises ParquetError."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise UserError(f"{path}: reading parquet needs pyarrow; `pip install pyarrow`") from None
    try:
        with parquet.ParquetFile(path) as file:
            image = _image_column(file.schema_arrow)
            names_read = [image, *(name for name in columns if name in file.schema_arrow.names)]
            number = 0
            for batch in file.iter_batches(BATCH_ROWS, columns=names_read):
                for row in batch.to_pylist():
                    yield ParquetRow(number, _bytes(row[image], number), caption_in(row, columns, separators))
                    number += 1
    except (pa.ArrowException, *DAMAGED_PARQUET) as error:
        raise ParquetError(f"damaged, or not a parquet file ({reason_of(error)}); fetch it again") from None


def _image_column(schema: Any) -> str:
    """`image`, or the first column that holds bytes."""
    import pyarrow as pa

    def holds_bytes(kind: Any) -> bool:
        if pa.types.is_struct(kind):
            return int(kind.get_field_index("bytes")) >= 0
        is_bytes: bool = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        return is_bytes

    columns_of_bytes: list[str] = [field.name for field in schema if holds_bytes(field.type)]
    if not columns_of_bytes:
        raise ParquetError(f"no column of image bytes, only {', '.join(schema.names)}; add one")
    return "image" if "image" in columns_of_bytes else columns_of_bytes[0]


def _bytes(value: Any, number: int) -> bytes:
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes):
        raise ParquetError(f"row {number} has no image bytes; embed the pictures in the table")
    return data
