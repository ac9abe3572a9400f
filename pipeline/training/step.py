"""A training step's error in two halves: what is drawn and read, and what is computed from it.

batch, seed --> inputs (noise, levels, captions, masks)        draws; different in every step
inputs --> denoiser --> losses                                 the same kernels for the same shapes
"""

from typing import Any

import torch
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.conditioning import Conditioning
from pipeline.objectives.losses import masked
from pipeline.objectives.objective import Objective
from pipeline.schemas import Config
from pipeline.training.data import Batch

StepInputs = dict[str, Tensor]
"""latents, noise, noisy: [rows, channels, h, w]; levels: [rows]. Also, as far as the batch has them: mask,
ids, emphasis, sizes; tokens and pooled in place of ids if the text encoders' outputs are kept.
"""


def step_inputs(
    batch: Batch, rows: slice, objective: Objective, seed: int, device: torch.device
) -> StepInputs:
    """Random numbers are drawn for the whole batch, on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    latents = batch.mean + batch.std * torch.randn(batch.mean.shape, generator=generator).to(
        device, non_blocking=True
    )
    drawn = objective.draw(latents, generator).rows(rows)
    known = batch.conditioning
    texts: dict[str, Any] = (
        {"ids": batch.ids, "emphasis": batch.emphasis}
        if known is None
        else {"tokens": known.tokens, "pooled": known.pooled}
    )
    read = {**texts, "mask": batch.mask, "sizes": batch.sizes}
    return {**vars(drawn), **{name: value[rows] for name, value in read.items() if value is not None}}


def step_losses(inputs: StepInputs, base: Base, objective: Objective, config: Config) -> Tensor:
    """[rows] error of the denoiser, weighed by mask and noise level."""
    levels = inputs["levels"]
    conditioning = _conditioning(inputs, base, config.base.clip_skip)
    answer = base.family.predict(base, inputs["noisy"], levels, conditioning).float()
    target = objective.target(inputs["latents"], inputs["noise"], levels)
    points = objective.point_losses(answer, target, levels)
    losses = masked(points, inputs.get("mask"), config.train).mean(dim=(1, 2, 3))
    weights = objective.weights(levels)
    return losses if weights is None else losses * weights


def _conditioning(inputs: StepInputs, base: Base, clip_skip: int) -> Conditioning:
    sizes = inputs.get("sizes")
    if "tokens" in inputs:
        return Conditioning(inputs["tokens"], inputs.get("pooled")).sized(sizes)
    return base.family.encode(base, inputs["ids"], clip_skip).emphasised(inputs.get("emphasis")).sized(sizes)
