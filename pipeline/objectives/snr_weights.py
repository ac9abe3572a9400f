"""Weights of diffusion's errors by signal-to-noise ratio. Pure functions on tensors.

SNR and weights are [batch]. The formulas are those of kohya-ss/sd-scripts
(library/custom_train_functions.py).
"""

import math

from torch import Tensor

from pipeline.schemas import Debiased, NoiseConfig

MAX_SNR = 1000.0
"""Upper limit of SNR for all weights but min-SNR: near timestep 0 it grows without bound."""


def signal_to_noise(alphas_cumprod: Tensor) -> Tensor:
    """SNR = alpha_bar / (1 - alpha_bar), by timestep."""
    return alphas_cumprod / (1 - alphas_cumprod)


def snr_weights(snr: Tensor, config: NoiseConfig, prediction: str) -> Tensor | None:
    """[batch] product of the configured weights; None if there are none."""
    bounded, chosen = snr.clamp(max=MAX_SNR), []
    if config.min_snr_gamma is not None:
        chosen.append(min_snr_weight(snr, config.min_snr_gamma, prediction))
    if config.scale_v_prediction:
        chosen.append(bounded / (bounded + 1))
    if config.v_prediction_like:
        chosen.append(1 + config.v_prediction_like * (bounded + 1) / bounded)
    if config.debiased:
        chosen.append(debiased_weight(bounded, config.debiased, prediction))
    return math.prod(chosen[1:], start=chosen[0]) if chosen else None


def min_snr_weight(snr: Tensor, gamma: float, prediction: str) -> Tensor:
    """min(SNR, gamma) / SNR for epsilon, / (SNR + 1) for v-prediction (Hang et al. 2023, arXiv
    2303.09556).
    """
    return snr.clamp(max=gamma) / (snr if prediction == "epsilon" else snr + 1)


def debiased_weight(snr: Tensor, form: Debiased, prediction: str) -> Tensor:
    """1 / sqrt(SNR) for epsilon (Yu et al. 2023, arXiv 2310.08442). For v-prediction `exact` is the same
    loss: the squared error of the noise is SNR / (SNR + 1) of that of v. `sd_scripts`, or true: 1 / (SNR +
    1). `onetrainer`: 1 / sqrt(SNR + 1) (nerogar/OneTrainer
    modules/modelSetup/mixin/ModelSetupDiffusionLossMixin.py).
    """
    if prediction == "epsilon":
        return snr.rsqrt()
    if form == "exact":
        return snr.sqrt() / (snr + 1)
    return (snr + 1).rsqrt() if form == "onetrainer" else 1 / (snr + 1)
