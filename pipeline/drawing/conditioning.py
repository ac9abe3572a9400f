"""A prompt with weights -> what the U-Net is conditioned on."""

import torch
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.conditioning import Conditioning
from pipeline.bases.new_tokens import words_of
from pipeline.drawing.aesthetic import Aesthetic
from pipeline.drawing.chunks import chunks
from pipeline.errors import UserError
from pipeline.prompts.weights import weighted_parts

NO_MEAN = 0.01
"""Share of the standard deviation below which a mean is chance, and its ratio would scale the prompt at
random. CLIP of SD 1.x has about 0.1.
"""


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
