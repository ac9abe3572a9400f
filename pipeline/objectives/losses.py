"""How an answer's error counts: by its size, by where it is, by the noise level. Pure functions on tensors.

Shapes: answer and wanted [batch, 4, h, w], timesteps and SNR [batch], mask [batch, 1, h, w], weights [batch].
The formulas are those of kohya-ss/sd-scripts (library/train_util.py, conditional_loss and
get_huber_threshold_if_needed; library/custom_train_functions.py).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.config.schemas import Debiased, Noise, PriorForm, Train
from pipeline.errors import UserError

MAX_SNR = 1000.0
"""What the weights below, min-SNR apart, take a larger SNR for: near timestep 0 it grows without bound."""

SMALLEST_AREA = 1e-4
"""Mean of a mask at which its loss is raised no further: far under one latent of a 512 px picture's 4096."""


def signal_to_noise(alphas_cumprod: Tensor) -> Tensor:
    """SNR = alpha_bar / (1 - alpha_bar), of each timestep."""
    return alphas_cumprod / (1 - alphas_cumprod)


def point_losses(
    answer: Tensor, wanted: Tensor, alphas_cumprod: Tensor, timesteps: Tensor, config: Noise
) -> Tensor:
    """[batch, 4, h, w]: d^2, |d|, or the pseudo-Huber losses 2c (sqrt(d^2 + c^2) - c) (`huber`) and
    2 (sqrt(d^2 + c^2) - c) (`smooth_l1`).
    """
    difference = answer - wanted
    if config.loss == "l2":
        return difference.square()
    if config.loss == "l1":
        return difference.abs()
    c = huber_c(alphas_cumprod, timesteps, config).view(-1, 1, 1, 1)
    bent = 2 * ((difference.square() + c.square()).sqrt() - c)
    return c * bent if config.loss == "huber" else bent


def masked(losses: Tensor, mask: Tensor | None, config: Train) -> Tensor:
    """[batch, 4, h, w] losses times the mask, which is `unmasked_weight` at least (nerogar/OneTrainer
    modules/util/loss/masked_loss.py; at 0 kohya-ss/sd-scripts library/custom_train_functions.py,
    apply_masked_loss). With `normalize_masked_area` over the mask's mean: a small mask counts as much.
    """
    if mask is None:
        return losses
    weight = mask.clamp(min=config.unmasked_weight)
    if config.normalize_masked_area:
        weight = weight / weight.mean(dim=(1, 2, 3), keepdim=True).clamp(min=SMALLEST_AREA)
    return losses * weight


def huber_c(alphas_cumprod: Tensor, timesteps: Tensor, config: Noise) -> Tensor:
    """[batch] where the bend is: `huber_c` times the scale; from the scale down to that along an exponential;
    or (1 - c) / (1 + sigma)^2 + c with sigma = sqrt((1 - alpha_bar) / alpha_bar), the scale unused.
    """
    c = config.huber_c
    if config.huber_schedule == "constant":
        return torch.full_like(alphas_cumprod[timesteps], c * config.huber_scale)
    if config.huber_schedule == "exponential":
        return (math.log(c) / len(alphas_cumprod) * timesteps).exp() * config.huber_scale
    alpha_bar = alphas_cumprod[timesteps]
    sigma = ((1 - alpha_bar) / alpha_bar).sqrt()
    return (1 - c) / (1 + sigma) ** 2 + c


def noise_weights(snr: Tensor, config: Noise, prediction_type: str) -> Tensor | None:
    """[batch] product of the chosen weights; None where there is none."""
    bounded, chosen = snr.clamp(max=MAX_SNR), []
    if config.min_snr_gamma is not None:
        chosen.append(min_snr_weight(snr, config.min_snr_gamma, prediction_type))
    if config.scale_v_prediction:
        chosen.append(bounded / (bounded + 1))
    if config.v_prediction_like:
        chosen.append(1 + config.v_prediction_like * (bounded + 1) / bounded)
    if config.debiased:
        chosen.append(debiased_weight(bounded, config.debiased, prediction_type))
    return math.prod(chosen[1:], start=chosen[0]) if chosen else None


def min_snr_weight(snr: Tensor, gamma: float, prediction_type: str) -> Tensor:
    """min(SNR, gamma) / SNR for epsilon, / (SNR + 1) for v-prediction (Hang et al. 2023, arXiv
    2303.09556).
    """
    return snr.clamp(max=gamma) / (snr if prediction_type == "epsilon" else snr + 1)


def debiased_weight(snr: Tensor, form: Debiased, prediction_type: str) -> Tensor:
    """1 / sqrt(SNR) for epsilon (Yu et al. 2023, arXiv 2310.08442). For v-prediction `exact` is the same
    loss: an error of v is SNR / (SNR + 1) of it as an error of the noise. Others weigh by 1 / (SNR + 1)
    (`sd_scripts`, or true) and 1 / sqrt(SNR + 1) (nerogar/OneTrainer
    modules/modelSetup/mixin/ModelSetupDiffusionLossMixin.py).
    """
    if prediction_type == "epsilon":
        return snr.rsqrt()
    if form == "exact":
        return snr.sqrt() / (snr + 1)
    return (snr + 1).rsqrt() if form == "onetrainer" else 1 / (snr + 1)


def prior_weights(is_class: Sequence[bool], weight: float, form: PriorForm) -> list[float]:
    """[batch] weights with which the mean over the batch is the loss of prior preservation.

    `sd_scripts`: mean of w l, where w is `weight` for class pictures and else 1 (kohya-ss/sd-scripts
    train_network.py). `two_means`: mean of the subject's l + weight * mean of the class's l (huggingface
    diffusers examples/dreambooth/train_dreambooth.py): twice the former's gradient at weight 1. A batch
    without class pictures has the plain mean in both.
    """
    if form == "sd_scripts":
        return [weight if each else 1.0 for each in is_class]
    prior = sum(is_class)
    subject, whole = len(is_class) - prior, len(is_class)
    return [weight * whole / prior if each else whole / subject for each in is_class]


ONLY_WITH = {
    "zero_terminal_snr": "v_prediction",
    "scale_v_prediction": "v_prediction",
    "v_prediction_like": "epsilon",
}
"""What the base must predict for a setting of the group noise."""


def check_prediction(config: Noise, prediction_type: str) -> None:
    """Settings that the base's kind of prediction does not allow are a user error."""
    if problems := [
        f"noise.{name} wants a base that predicts {wanted}, but the one at base.path predicts"
        f" {prediction_type}; leave noise.{name} off, or take another base"
        for name, wanted in ONLY_WITH.items()
        if getattr(config, name) and wanted != prediction_type
    ]:
        raise UserError(*problems)
