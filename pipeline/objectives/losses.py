"""Losses of a prediction, and their weights by mask. Pure functions on tensors.

Shapes: answer and target [batch, channels, h, w], levels and sigma [batch], mask [batch, 1, h, w], weights
[batch]. The formulas are those of kohya-ss/sd-scripts (library/train_util.py, conditional_loss and
get_huber_threshold_if_needed; library/custom_train_functions.py).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.schemas import NoiseConfig, PriorForm, TrainConfig

SMALLEST_AREA = 1e-4
"""Lower limit of a mask's mean as a divisor: far below one of the 4096 latent pixels of a 512 px picture."""


def is_bent(config: NoiseConfig) -> bool:
    """Whether the loss is pseudo-Huber, which bends from quadratic to linear."""
    return config.loss in ("huber", "smooth_l1")


def point_losses(answer: Tensor, target: Tensor, bend: Tensor | None, config: NoiseConfig) -> Tensor:
    """[batch, channels, h, w]: d^2, |d|, or the pseudo-Huber losses 2c (sqrt(d^2 + c^2) - c) (`huber`) and
    2 (sqrt(d^2 + c^2) - c) (`smooth_l1`), c the bend [batch].
    """
    difference = answer - target
    if bend is None:
        return difference.square() if config.loss == "l2" else difference.abs()
    c = bend.view(-1, 1, 1, 1)
    bent = 2 * ((difference.square() + c.square()).sqrt() - c)
    return c * bent if config.loss == "huber" else bent


def masked(losses: Tensor, mask: Tensor | None, config: TrainConfig) -> Tensor:
    """[batch, channels, h, w] losses times the mask, raised to at least `unmasked_weight` (nerogar/OneTrainer
    modules/util/loss/masked_loss.py; at 0 as in kohya-ss/sd-scripts library/custom_train_functions.py,
    apply_masked_loss). `normalize_masked_area` divides by the mask's mean: small masks count as much.
    """
    if mask is None:
        return losses
    weight = mask.clamp(min=config.unmasked_weight)
    if config.normalize_masked_area:
        weight = weight / weight.mean(dim=(1, 2, 3), keepdim=True).clamp(min=SMALLEST_AREA)
    return losses * weight


def huber_c(levels: Tensor, num_levels: int, sigma: Tensor, config: NoiseConfig) -> Tensor:
    """[batch] the bend by `huber_schedule`. constant: `huber_c` times the scale. exponential: falls from the
    scale to that. snr: (1 - c) / (1 + sigma)^2 + c, without the scale. sigma: noise over signal.
    """
    c = config.huber_c
    if config.huber_schedule == "constant":
        return torch.full_like(sigma, c * config.huber_scale)
    if config.huber_schedule == "exponential":
        return (math.log(c) / num_levels * levels).exp() * config.huber_scale
    return (1 - c) / (1 + sigma) ** 2 + c


def prior_weights(is_class: Sequence[bool], weight: float, form: PriorForm) -> list[float]:
    """[batch] weights that make the batch's mean the loss of prior preservation.

    `sd_scripts`: mean of w l, w is `weight` for class pictures, else 1 (kohya-ss/sd-scripts
    train_network.py). `two_means`: mean of the subject's l + weight * mean of the class's l (huggingface
    diffusers examples/dreambooth/train_dreambooth.py); at weight 1 twice the gradient of `sd_scripts`. Both
    give the plain mean for a batch without class pictures.
    """
    if form == "sd_scripts":
        return [weight if each else 1.0 for each in is_class]
    prior = sum(is_class)
    subject, whole = len(is_class) - prior, len(is_class)
    return [weight * whole / prior if each else whole / subject for each in is_class]
