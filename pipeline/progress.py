"""Progress bars with an estimate, silent where nobody looks."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

from pipeline.printable import printable

T = TypeVar("T")


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterable[T]:
    """`items`, with a bar on stderr while it is a terminal."""
    name = printable(what)
    bar: Iterable[T] = tqdm(items, desc=name, total=total, disable=None, leave=False, dynamic_ncols=True)
    return bar
