"""Weighted prompt -> the denoiser's conditioning.

Long prompts are cut into chunks of 75 tokens, encoded separately and joined, as in AUTOMATIC1111
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
from pipeline.prompts.weights import PromptPart, weighted_parts

PROMPT_CHUNK_TOKENS = 75
"""Tokens of a chunk without start and end."""
COMMA_REACH = 20
"""A full chunk ends at its last comma if that is among its last 20 tokens, so that tags stay whole."""
NO_MEAN = 0.01
"""Fraction of the standard deviation below which a mean is chance, and its ratio would scale the prompt at
random. About 0.1 for CLIP of SD 1.x.
"""


@dataclass(frozen=True)
class Chunk:
    """77 token ids with start, end and padding, and their weights."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]


Weighted = tuple[int, float]


def chunks(tokenizer: CLIPTokenizer, parts: Sequence[PromptPart], words: Words = NO_WORDS) -> list[Chunk]:
    """One or more chunks. `words`: of the attached embeddings; each stays in one chunk."""
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
    """Ids that must stay in one chunk: one token, or all of an embedding."""
    lengths = {ids.start: len(ids) for ids in words.values()}
    ids, position = body_ids(tokenizer, text, words), 0
    while position < len(ids):
        length = lengths.get(ids[position], 1)
        yield ids[position : position + length]
        position += length


def _add(bodies: list[list[Weighted]], group: list[Weighted], comma: int | None) -> None:
    """Adds the group to the last body or to a new one."""
    if len(group) > PROMPT_CHUNK_TOKENS:
        raise UserError(
            f"an embedding of {len(group)} vectors does not fit into {PROMPT_CHUNK_TOKENS} tokens;"
            " use a smaller one"
        )
    while len(body := bodies[-1]) + len(group) > PROMPT_CHUNK_TOKENS:
        moved = _behind_comma(body, comma) if group[0][0] != comma else len(body)
        bodies.append(body[moved:])
        del body[moved:]
    bodies[-1].extend(group)


def _behind_comma(body: list[Weighted], comma: int | None) -> int:
    """The position from which tokens move to the next chunk."""
    last = max((place for place, (token, _) in enumerate(body) if token == comma), default=-1)
    near = last >= 0 and len(body) == PROMPT_CHUNK_TOKENS and len(body) - last <= COMMA_REACH
    return last + 1 if near else len(body)


def _framed(tokenizer: CLIPTokenizer, body: Sequence[Weighted]) -> Chunk:
    end, padding = tokenizer.eos_token_id, PROMPT_CHUNK_TOKENS - len(body)
    ids, weights = [token for token, _ in body], [weight for _, weight in body]
    return Chunk(
        (tokenizer.bos_token_id, *ids, *[end] * (padding + 1)), (1.0, *weights, *[1.0] * (padding + 1))
    )


def conditioning(base: Base, text: str, clip_skip: int, aesthetic: Aesthetic | None = None) -> Conditioning:
    """A batch of one with 77 tokens a chunk: encodes each chunk, weighs and joins them. Words of attached
    embeddings become their vectors; an aesthetic embedding moves the weighted chunks towards itself.
    """
    encoders = base.text_encoders
    parts = chunks(base.tokenizer, weighted_parts(text), words_of(encoders))
    device = encoders[0].device
    ids = torch.tensor([part.ids for part in parts], device=device)
    encoded = base.family.encode_texts(base, ids, clip_skip, further_ids(base, text))
    tokens = encoded.tokens.float()
    weights = torch.tensor([part.weights for part in parts], device=device)
    widths = base.family.token_widths(base.configs)
    # Each encoder keeps its own mean: A1111 weighs the encoders' outputs before it joins them.
    each = [emphasised(states, weights) for states in torch.split(tokens, widths, dim=-1)]
    states = torch.cat(each, dim=-1) if len(each) > 1 else each[0]
    if aesthetic:
        states = aesthetic.applied(encoders[0], ids, states, clip_skip)
    return Conditioning(
        states.flatten(0, 1)[None],
        None if encoded.pooled is None else encoded.pooled[:1],
        further=None if encoded.further is None else encoded.further[:1],
    )


def further_ids(base: Base, text: str) -> Tensor | None:
    """T5's ids [1, m] of a prompt, which it reads without weights; None for a base without T5. [chunks] rows
    would repeat them: T5 reads the whole text at once.
    """
    if base.t5_tokenizer is None:
        return None
    plain = "".join(" " if part.weight is None else part.text for part in weighted_parts(text))
    return base.t5_tokenizer.ids([plain]).to(base.text_encoders[0].device)


def emphasised(states: Tensor, weights: Tensor) -> Tensor:
    """States [chunks, 77, width] times weights [chunks, 77]. Restores each chunk's mean
    (AUTOMATIC1111 modules/sd_emphasis.py, EmphasisOriginal), unless it is close to 0.
    """
    weighted = states * weights[..., None]
    before, after = (values.mean(dim=(1, 2), keepdim=True) for values in (states, weighted))
    plain = (weights == 1).all(dim=1)[:, None, None]
    centred = before.abs() < NO_MEAN * states.std(dim=(1, 2), keepdim=True)
    result = torch.where(plain | centred, weighted, weighted * (before / after))
    if not result.isfinite().all():
        raise UserError("the prompt's weights give NaN or infinite conditioning; use weights closer to 1")
    return result
