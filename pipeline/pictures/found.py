"""Picture files, and what is known about each before it is opened."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files.sorted_rows import SortedRows


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """A picture file. `where`: its path as the user knows it."""

    path: Path
    where: str
    id: str
    concept: str
    repeats: int
    is_class: bool
    caption: str | None
    origin: dict[str, Any]
    mask: Path | None = None
    """Mask of the parts that count (pipeline/pictures/masks.py)."""

    @property
    def file(self) -> str:
        return f"{self.id}{self.path.suffix}"


class PictureScan:
    """All pictures found, sorted by id and `where`, on disk: memory does not grow with their number."""

    def __init__(self) -> None:
        self.rows = SortedRows()
        self.concepts: set[tuple[str, bool]] = set()
        """With `is_class`."""

    def add(self, picture: SourcePicture) -> None:
        self.concepts.add((picture.concept, picture.is_class))
        mask = picture.mask and str(picture.mask)
        rest = (picture.concept, picture.repeats, picture.is_class, picture.caption, picture.origin, mask)
        self.rows.add(picture.id, picture.where, (str(picture.path), picture.where, picture.id, *rest))

    def __iter__(self) -> Iterator[SourcePicture]:
        return map(_picture, self.rows)

    def numbered(self, numbers: Collection[int]) -> Iterator[tuple[int, SourcePicture]]:
        """The pictures with these numbers, counted from 0 in order."""
        rows = self.rows.numbered(numbers) if numbers else ()
        return ((number, _picture(row)) for number, row in rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, picture_id: str) -> bool:
        return picture_id in self.rows

    def ids(self) -> Iterator[str]:
        return self.rows.names()


def _picture(row: Sequence[Any]) -> SourcePicture:
    path, *rest, mask = row
    values = (Path(path), *rest, Path(mask) if mask else None)
    return SourcePicture(*values)
