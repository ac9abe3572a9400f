"""A training step's error in two halves: what is drawn and read, and what is computed from it.

batch, seed --> inputs (noise, levels, captions, masks)        draws; different in every step
inputs --> denoiser --> losses                                 the same kernels for the same shapes
"""

from collections.abc import Sequence
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
ids, emphasis, further_ids, sizes; tokens, pooled and further in place of ids if the text encoders' outputs
are kept. kept_encoders: [rows, encoders] of 0 or 1, where encoders are dropped. class_ids, class_tokens ...:
the same of class captions (`train.preservation`).
"""


def step_inputs(
    batch: Batch,
    rows: slice,
    objective: Objective,
    seed: int,
    device: torch.device,
    dropouts: Sequence[float] = (),
) -> StepInputs:
    """Random numbers are drawn for the whole batch, on the CPU. dropouts: of each text encoder."""
    generator = torch.Generator().manual_seed(seed)
    latents = batch.mean + batch.std * torch.randn(batch.mean.shape, generator=generator).to(
        device, non_blocking=True
    )
    drawn = objective.draw(latents, generator).rows(rows)
    texts = _texts(batch.conditioning, batch.ids, batch.emphasis, batch.further_ids)
    classes = _texts(batch.class_conditioning, batch.class_ids, batch.class_emphasis, batch.class_further_ids)
    texts |= {f"class_{name}": value for name, value in classes.items()}
    kept = _kept_encoders(len(batch.weight), dropouts, generator, device)
    read = {**texts, "mask": batch.mask, "sizes": batch.sizes, "kept_encoders": kept}
    return {**vars(drawn), **{name: value[rows] for name, value in read.items() if value is not None}}


def _texts(
    known: Conditioning | None, ids: Tensor | None, emphasis: Tensor | None, further_ids: Tensor | None
) -> dict[str, Any]:
    """Captions: the text encoders' outputs if they are kept, else what they read."""
    if known is None:
        return {"ids": ids, "emphasis": emphasis, "further_ids": further_ids}
    return {"tokens": known.tokens, "pooled": known.pooled, "further": known.further}


def step_losses(inputs: StepInputs, base: Base, objective: Objective, config: Config) -> Tensor:
    """[rows] error of the denoiser, weighed by mask and noise level."""
    levels = inputs["levels"]
    texts = conditioning(inputs, base, config.base.clip_skip)
    answer = base.family.predict(base, inputs["noisy"], levels, texts).float()
    target = objective.target(inputs["latents"], inputs["noise"], levels)
    points = objective.point_losses(answer, target, levels)
    losses = masked(points, inputs.get("mask"), config.train).mean(dim=(1, 2, 3))
    weights = objective.weights(levels)
    return losses if weights is None else losses * weights


def conditioning(inputs: StepInputs, base: Base, clip_skip: int) -> Conditioning:
    """The text encoders' outputs, kept or computed, with the pictures' sizes."""
    if "tokens" in inputs:
        texts = Conditioning(inputs["tokens"], inputs.get("pooled"), further=inputs.get("further"))
    else:
        texts = base.family.encode_texts(base, inputs["ids"], clip_skip, inputs.get("further_ids"))
        texts = texts.emphasised(inputs.get("emphasis"))
    if "kept_encoders" in inputs:
        widths = base.family.token_widths(base.configs), base.family.pooled_widths(base.configs)
        texts = texts.of_encoders(inputs["kept_encoders"], *widths)
    return texts.sized(inputs.get("sizes"))


def _kept_encoders(
    pictures: int, dropouts: Sequence[float], generator: torch.Generator, device: torch.device
) -> Tensor | None:
    """[pictures, encoders]: 0 where an encoder's output is dropped; None, and no draw, if none ever is."""
    if not any(dropouts):
        return None
    drawn = torch.rand(pictures, len(dropouts), generator=generator)
    return (drawn >= torch.tensor(dropouts)).float().to(device, non_blocking=True)
