"""Adds rows to a text encoder's token table while they are attached, without making them part of the table:
its own rows are never copied, never trained, and unchanged when the new ones are removed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.bases.clip_text import words_of
from pipeline.bases.tokens import Words
from pipeline.errors import UserError


@contextmanager
def new_rows(
    text_encoders: Sequence[Any], counts: Mapping[str, int], rows: Sequence[Callable[[], Tensor]]
) -> Iterator[None]:
    """Inside, `counts` more ids per word follow the tables' last; `rows` gives each encoder's [sum of counts,
    width], in the words' order. Can be nested. Raises UserError for a word that two of them have.
    """
    before = words_of(text_encoders)
    if twice := sorted({word.lower() for word in counts} & before.keys()):
        raise UserError(
            f"two embeddings are both called {', '.join(twice)}; give one of the files another name"
        )
    tables = [encoder.get_input_embeddings() for encoder in text_encoders]
    first = max(table.num_embeddings for table in tables) + sum(map(len, before.values()))
    words = {**before, **_ids(counts, first)}
    with ExitStack() as stack:
        for table, own in zip(tables, rows, strict=True):
            stack.enter_context(_attached(table, words, own, first))
        yield


@contextmanager
def _attached(table: nn.Embedding, words: Words, rows: Callable[[], Tensor], first: int) -> Iterator[None]:
    names = ("forward", "words")
    saved: dict[str, Any] = {name: table.__dict__[name] for name in names if name in table.__dict__}
    try:
        table.__dict__["words"] = words
        table.__dict__["forward"] = _with_rows(table.forward, rows, first)
        yield
    finally:
        for name in names:
            table.__dict__.pop(name, None)
        table.__dict__.update(saved)


def _ids(counts: Mapping[str, int], first: int) -> dict[str, range]:
    ids: dict[str, range] = {}
    for word, count in counts.items():
        ids[word.lower()] = range(first, first + count)
        first += count
    return ids


def _with_rows(
    inner: Callable[[Tensor], Tensor], rows: Callable[[], Tensor], first: int
) -> Callable[[Tensor], Tensor]:
    """The table's forward pass: `rows` answers ids from `first` on, `inner` all others."""

    def forward(ids: Tensor) -> Tensor:
        vectors = rows()
        own = (ids >= first) & (ids < first + len(vectors))
        known: Tensor = inner(ids.masked_fill(own, 0))
        new = F.embedding((ids - first).clamp(0, len(vectors) - 1), vectors.to(known.device, known.dtype))
        return torch.where(own[..., None], new, known)

    return forward
