"""Picture files, and what is known of each before it is opened."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files.sorted_rows import SortedRows


@dataclass(frozen=True, slots=True)
class Found:
    """A picture file. `where` is what the user calls it."""

    path: Path
    where: str
    id: str
    concept: str
    repeats: int
    is_class: bool
    caption: str | None
    origin: dict[str, Any]
    mask: Path | None = None
    """File that says where the picture counts (pipeline/pictures/masks.py)."""

    @property
    def file(self) -> str:
        return f"{self.id}{self.path.suffix}"


class Pictures:
    """All that were found, by id and `where`, on disk: any number of them takes no more memory than a few."""

    def __init__(self) -> None:
        self.rows = SortedRows()
        self.concepts: set[tuple[str, bool]] = set()
        """With `is_class`."""

    def add(self, found: Found) -> None:
        self.concepts.add((found.concept, found.is_class))
        mask = found.mask and str(found.mask)
        told = (found.concept, found.repeats, found.is_class, found.caption, found.origin, mask)
        self.rows.add(found.id, found.where, (str(found.path), found.where, found.id, *told))

    def __iter__(self) -> Iterator[Found]:
        return map(_found, self.rows)

    def numbered(self, numbers: Collection[int]) -> Iterator[tuple[int, Found]]:
        """Those with one of these numbers, counted from 0 in order."""
        rows = self.rows.numbered(numbers) if numbers else ()
        return ((number, _found(row)) for number, row in rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, picture_id: str) -> bool:
        return picture_id in self.rows

    def ids(self) -> Iterator[str]:
        return self.rows.names()


def _found(row: Sequence[Any]) -> Found:
    path, *told, mask = row
    values = (Path(path), *told, Path(mask) if mask else None)
    return Found(*values)
