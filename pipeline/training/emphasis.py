"""Weights in captions, `(word:1.2)`: multiplies a token's output by its weight, without restoring the mean.

Start, end and padding have weight 1 (kohya-ss/sd-scripts library/strategy_sd.py, encode_tokens_with_weights).
The grammar is that of prompts, but `BREAK` is an ordinary word.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from pipeline.bases.tokens import NO_WORDS, Words, body_ids, ids_of_bodies
from pipeline.prompts.weights import weighted_parts

PLAIN = 1.0


def weighted_ids(
    tokenizer: CLIPTokenizer, captions: Sequence[str], words: Words = NO_WORDS, max_tokens: int = 75
) -> tuple[Tensor, Tensor]:
    """Ids as from `token_ids`, and weights [captions, max_tokens + 2, 1] for the output of `encode`."""
    pairs = [_weighed(tokenizer, caption, words) for caption in captions]
    weights = [
        [PLAIN, *weights[:max_tokens], *[PLAIN] * (max_tokens + 1 - len(weights[:max_tokens]))]
        for _, weights in pairs
    ]
    ids = ids_of_bodies(tokenizer, [body for body, _ in pairs], max_tokens)
    return ids, torch.tensor(weights)[..., None]


def unweighted(caption: str) -> str:
    """The caption without the syntax of weights, as the tokenizer reads it."""
    return "".join(part.text for part in weighted_parts(caption))


def _weighed(tokenizer: CLIPTokenizer, caption: str, words: Words) -> tuple[list[int], list[float]]:
    ids, weights = list[int](), list[float]()
    for part in weighted_parts(caption):
        body = body_ids(tokenizer, part.text, words)
        ids += body
        weights += [PLAIN if part.weight is None else part.weight] * len(body)
    return ids, weights
