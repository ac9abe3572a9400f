"""Rows that a text encoder's token table answers with while they are attached, without being part of it: the
table's own rows are never copied, never trained, and stand as before when the rows are taken away.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPTextModel

from pipeline.base.conditioning import NO_WORDS, Words
from pipeline.errors import UserError


def words_of(text_encoder: CLIPTextModel) -> Words:
    """Words of the embeddings that are attached now, with their ids."""
    words: Words = text_encoder.get_input_embeddings().__dict__.get("words", NO_WORDS)
    return words


@contextmanager
def new_rows(
    text_encoder: CLIPTextModel, counts: Mapping[str, int], rows: Callable[[], Tensor]
) -> Iterator[None]:
    """Inside, `counts` more ids a word follow the table's last; `rows()` gives [sum of counts, width], in the
    words' order. Several may be attached, one in another; a word that two of them have is a user error.
    """
    table, before = text_encoder.get_input_embeddings(), words_of(text_encoder)
    if twice := sorted({word.lower() for word in counts} & before.keys()):
        raise UserError(
            f"two embeddings are both called {', '.join(twice)}; give one of the files another name"
        )
    first = table.num_embeddings + sum(map(len, before.values()))
    saved = {name: table.__dict__[name] for name in ("forward", "words") if name in table.__dict__}
    try:
        table.__dict__["words"] = {**before, **_ids(counts, first)}
        table.__dict__["forward"] = _with_rows(table.forward, rows, first)
        yield
    finally:
        for name in ("forward", "words"):
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
    """The table's forward pass: ids from `first` on are answered by `rows`, all others by `inner`."""

    def forward(ids: Tensor) -> Tensor:
        vectors = rows()
        own = (ids >= first) & (ids < first + len(vectors))
        known: Tensor = inner(ids.masked_fill(own, 0))
        new = F.embedding((ids - first).clamp(0, len(vectors) - 1), vectors.to(known.device, known.dtype))
        return torch.where(own[..., None], new, known)

    return forward
