"""Weights in captions, `(word:1.2)`: each token's output is multiplied by its weight, start, end and padding
by 1, and the mean is not restored (kohya-ss/sd-scripts library/strategy_sd.py, encode_tokens_with_weights).
The grammar is that of prompts; `BREAK` is a word here.
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
    """Ids as `token_ids` gives them, and weights [captions, max_tokens + 2, 1] for what `encode` makes of
    them.
    """
    pairs = [_weighed(tokenizer, caption, words) for caption in captions]
    weights = [
        [PLAIN, *weights[:max_tokens], *[PLAIN] * (max_tokens + 1 - len(weights[:max_tokens]))]
        for _, weights in pairs
    ]
    ids = ids_of_bodies(tokenizer, [body for body, _ in pairs], max_tokens)
    return ids, torch.tensor(weights)[..., None]


def unweighted(caption: str) -> str:
    """The caption as the tokenizer reads it."""
    return "".join(part.text for part in weighted_parts(caption))


def _weighed(tokenizer: CLIPTokenizer, caption: str, words: Words) -> tuple[list[int], list[float]]:
    ids, weights = list[int](), list[float]()
    for part in weighted_parts(caption):
        body = body_ids(tokenizer, part.text, words)
        ids += body
        weights += [PLAIN if part.weight is None else part.weight] * len(body)
    return ids, weights
