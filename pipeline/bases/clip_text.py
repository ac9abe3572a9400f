"""CLIP text encoders: from token ids to the states that a denoiser reads.

Ids are [batch, 77], or for long captions [batch, chunks, 77], each chunk framed by start and end. The states
of chunks are joined: the first start, every chunk's 75 tokens, the last end (kohya-ss/sd-scripts
library/train_util.py, get_hidden_states).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPTextModelWithProjection

from pipeline.bases.tokens import NO_WORDS, Words
from pipeline.errors import UserError

OPENCLIP_PADDING = 0
"""The symbol "!"."""


def inner(encoder: nn.Module) -> Any:
    """The transformer inside the encoder; newer versions of transformers do not wrap it."""
    return getattr(encoder, "text_model", encoder)


def words_of(text_encoders: Sequence[Any]) -> Words:
    """Words of the embeddings that are attached now, with their ids, which are the same in all encoders."""
    words: Words = text_encoders[0].get_input_embeddings().__dict__.get("words", NO_WORDS)
    return words


def padded(ids: Tensor, end: int, padding: int) -> Tensor:
    """The ids with `padding` after their first end token.

    Found by position, not by a tokenizer's pad token: transformers would take each "!" of a text, id 0, for
    padding.
    """
    is_end = ids == end
    behind = (is_end.cumsum(dim=-1) - is_end.long()) > 0
    return ids.masked_fill(behind, padding)


def states(encoder: Any, ids: Tensor, skip: int, normed: bool) -> tuple[Tensor, Tensor]:
    """Hidden states [batch, tokens, width] of the layer `skip` from the end (1: the last), and the last
    layer's.

    The second [batch, 77, width] are the first chunk's, after the final norm; pooled vectors are taken from
    them. normed: whether the first also pass the final norm.
    """
    if skip > (layers := encoder.config.num_hidden_layers):
        raise UserError(
            f"clip skip {skip}: this base's text encoder has {layers} layers; lower base.clip_skip, or"
            " the values of the grid's axis clip_skip"
        )
    chunked = ids.dim() == 3
    model = inner(encoder)
    output = model(ids.flatten(0, 1) if chunked else ids, output_hidden_states=True)
    last: Tensor = output.last_hidden_state
    if skip == 1 and normed:
        chosen = last
    else:
        chosen = output.hidden_states[-skip]
        chosen = model.final_layer_norm(chosen) if normed else chosen
    if not chunked:
        return chosen, last
    return joined(chosen.view(*ids.shape, -1)), last.view(*ids.shape, -1)[:, 0]


def joined(chunks: Tensor) -> Tensor:
    """[batch, chunks, 77, width] -> [batch, 75 chunks + 2, width]."""
    return torch.cat([chunks[:, 0, :1], chunks[:, :, 1:-1].flatten(1, 2), chunks[:, -1, -1:]], dim=1)


def zero_where_empty(values: Tensor, ids: Tensor, end: int) -> Tensor:
    """[batch, ...], set to 0 for texts without tokens: SDXL was trained so, and diffusers and A1111 draw so
    (`force_zeros_for_empty_prompt`).
    """
    kept = (ids[..., 1] != end).view(len(ids), -1).any(dim=1)
    return values * kept.view(-1, *[1] * (values.dim() - 1)).to(values)


def pooled(encoder: CLIPTextModelWithProjection, last: Tensor, ids: Tensor, end: int) -> Tensor:
    """[batch, width]: the projected state of the first end token.

    Published configurations give 2 as the end token; transformers then takes the position of the largest id,
    which an embedding's id beyond the vocabulary would be.
    """
    first = ids[:, 0] if ids.dim() == 3 else ids
    place = (first == end).int().argmax(dim=-1)
    projected: Tensor = encoder.text_projection(last[torch.arange(len(last), device=last.device), place])
    return projected
