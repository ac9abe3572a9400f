"""Long prompts: 75 tokens a chunk, each encoded on its own and joined, as AUTOMATIC1111 does it
(modules/sd_hijack_clip.py, tokenize_line).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transformers import CLIPTokenizer

from pipeline.bases.tokens import NO_WORDS, Words, body_ids
from pipeline.errors import UserError
from pipeline.prompts.weights import Part

LENGTH = 75
"""Tokens of a chunk beside start and end."""
COMMA_REACH = 20
"""A chunk that is full ends at its last comma instead, if that is among its last 20 tokens: what belongs
together stays together.
"""


@dataclass(frozen=True)
class Chunk:
    """77 token ids, from start to end and padding, and the weight of each."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]


Weighted = tuple[int, float]


def chunks(tokenizer: CLIPTokenizer, parts: Sequence[Part], words: Words = NO_WORDS) -> list[Chunk]:
    """At least one; as many as the prompt needs. `words`: of the embeddings that are attached, each of which
    stays in one chunk.
    """
    comma = tokenizer.get_vocab().get(",</w>")
    bodies: list[list[Weighted]] = [[]]
    for part in parts:
        if part.weight is None:
            bodies.append([])
            continue
        for group in _groups(tokenizer, part.text, words):
            _add(bodies, [(token, part.weight) for token in group], comma)
    if len(bodies) > 1 and not bodies[-1]:
        bodies.pop()
    return [_framed(tokenizer, body) for body in bodies]


def _groups(tokenizer: CLIPTokenizer, text: str, words: Words) -> Iterator[list[int]]:
    """Ids that must stay in one chunk: a token's, or all of an embedding's."""
    lengths = {ids.start: len(ids) for ids in words.values()}
    ids, position = body_ids(tokenizer, text, words), 0
    while position < len(ids):
        length = lengths.get(ids[position], 1)
        yield ids[position : position + length]
        position += length


def _add(bodies: list[list[Weighted]], group: list[Weighted], comma: int | None) -> None:
    """Puts the group into the last body, or opens a new one."""
    if len(group) > LENGTH:
        raise UserError(f"an embedding of {len(group)} vectors does not fit a prompt's {LENGTH} tokens")
    while len(body := bodies[-1]) + len(group) > LENGTH:
        moved = _behind_comma(body, comma) if group[0][0] != comma else len(body)
        bodies.append(body[moved:])
        del body[moved:]
    bodies[-1].extend(group)


def _behind_comma(body: list[Weighted], comma: int | None) -> int:
    """Where what moves to the next chunk begins."""
    last = max((place for place, (token, _) in enumerate(body) if token == comma), default=-1)
    near = last >= 0 and len(body) == LENGTH and len(body) - last <= COMMA_REACH
    return last + 1 if near else len(body)


def _framed(tokenizer: CLIPTokenizer, body: Sequence[Weighted]) -> Chunk:
    end, padding = tokenizer.eos_token_id, LENGTH - len(body)
    ids, weights = [token for token, _ in body], [weight for _, weight in body]
    return Chunk(
        (tokenizer.bos_token_id, *ids, *[end] * (padding + 1)), (1.0, *weights, *[1.0] * (padding + 1))
    )
