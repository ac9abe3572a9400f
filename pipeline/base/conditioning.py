"""Captions -> token ids -> what the U-Net is conditioned on."""

from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

MAX_TOKENS = 77


def token_ids(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """[captions, 77] ids, cut and padded as SD 1.x was trained."""
    ids: Tensor = tokenizer(
        captions, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    ).input_ids
    return ids


def too_long(tokenizer: CLIPTokenizer, captions: list[str]) -> list[str]:
    """Captions of which the end is cut off."""
    return [caption for caption in captions if len(tokenizer(caption).input_ids) > MAX_TOKENS]


def encode(text_encoder: CLIPTextModel, ids: Tensor, clip_skip: int) -> Tensor:
    """[captions, 77, width]: the hidden states `clip_skip` layers from the end (1: the last), through the
    final norm.
    """
    if clip_skip == 1:
        last: Tensor = text_encoder(ids).last_hidden_state
        return last
    states = text_encoder(ids, output_hidden_states=True).hidden_states[-clip_skip]
    normed: Tensor = getattr(text_encoder, "text_model", text_encoder).final_layer_norm(states)
    return normed
