"""A prompt with weights -> what the denoiser is conditioned on.

Long prompts are cut into chunks of 75 tokens, each encoded on its own and joined, as AUTOMATIC1111 does it
(modules/sd_hijack_clip.py, tokenize_line).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from pipeline.bases.base import Base
from pipeline.bases.clip_text import words_of
from pipeline.bases.conditioning import Conditioning
from pipeline.bases.tokens import NO_WORDS, Words, body_ids
from pipeline.drawing.aesthetic import Aesthetic
from pipeline.errors import UserError
from pipeline.prompts.weights import Part, weighted_parts

LENGTH = 75
"""Tokens of a chunk beside start and end."""
COMMA_REACH = 20
"""A chunk that is full ends at its last comma instead, if that is among its last 20 tokens: what belongs
together stays together.
"""
NO_MEAN = 0.01
"""Share of the standard deviation below which a mean is chance, and its ratio would scale the prompt at
random. CLIP of SD 1.x has about 0.1.
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


def conditioning(base: Base, text: str, clip_skip: int, aesthetic: Aesthetic | None = None) -> Conditioning:
    """Of a batch of one, 77 tokens a chunk: each chunk through the text encoders, weighted, joined. Words of
    attached embeddings stand for their vectors; an aesthetic embedding draws the weighted chunks towards
    itself.
    """
    encoders = base.text_encoders
    parts = chunks(base.tokenizer, weighted_parts(text), words_of(encoders))
    device = encoders[0].device
    ids = torch.tensor([part.ids for part in parts], device=device)
    encoded = base.family.encode(base, ids, clip_skip)
    weights = torch.tensor([part.weights for part in parts], device=device, dtype=encoded.tokens.dtype)
    widths = base.family.token_widths(base.configs)
    # Each encoder keeps its own mean: A1111 weighs the encoders' answers before it joins them.
    each = [emphasised(states, weights) for states in torch.split(encoded.tokens, widths, dim=-1)]
    states = torch.cat(each, dim=-1) if len(each) > 1 else each[0]
    if aesthetic:
        states = aesthetic.applied(encoders[0], ids, states, clip_skip)
    return Conditioning(states.flatten(0, 1)[None], None if encoded.pooled is None else encoded.pooled[:1])


def emphasised(states: Tensor, weights: Tensor) -> Tensor:
    """States [chunks, 77, width] times weights [chunks, 77]; each chunk keeps its mean
    (AUTOMATIC1111 modules/sd_emphasis.py, EmphasisOriginal), where it has one to speak of.
    """
    weighted = states * weights[..., None]
    before, after = (values.mean(dim=(1, 2), keepdim=True) for values in (states, weighted))
    plain = (weights == 1).all(dim=1)[:, None, None]
    centred = before.abs() < NO_MEAN * states.std(dim=(1, 2), keepdim=True)
    found = torch.where(plain | centred, weighted, weighted * (before / after))
    if not found.isfinite().all():
        raise UserError("the prompt's weights make of its words no finite numbers; write weights nearer to 1")
    return found
