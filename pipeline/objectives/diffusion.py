"""Diffusion: adds noise by a schedule of alpha_bar, the product of alphas up to each timestep.

    x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise
    epsilon       the denoiser predicts the noise
    v_prediction  it predicts sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x_0        (Salimans & Ho 2022)

Shapes: latents and noise [batch, channels, h, w]; levels are whole timesteps [batch] in 0..999.
"""

from collections.abc import Mapping
from typing import Any, Self

from diffusers import DDPMScheduler
from torch import Generator, Tensor

from pipeline.objectives.levels import draw_timesteps
from pipeline.objectives.objective import Objective
from pipeline.objectives.snr_weights import signal_to_noise, snr_weights
from pipeline.objectives.zero_snr import zero_terminal
from pipeline.schemas import NoiseConfig


class Diffusion(Objective):
    """alphas: [1000] alpha_bar by timestep. snr: [1000] signal-to-noise ratios that weigh errors."""

    name = "diffusion"
    predictions = ("epsilon", "v_prediction")
    alphas: Tensor
    snr: Tensor

    def __init__(self, alphas_cumprod: Tensor, prediction: str, config: NoiseConfig) -> None:
        super().__init__(config, prediction)
        self.num_levels = len(alphas_cumprod)
        used = zero_terminal(alphas_cumprod) if config.zero_terminal_snr else alphas_cumprod
        weighed = used if config.snr_after_rescale else alphas_cumprod
        self.register_buffer("alphas", used, persistent=False)
        self.register_buffer("snr", signal_to_noise(weighed), persistent=False)

    @classmethod
    def of(cls, scheduler: Mapping[str, Any], config: NoiseConfig) -> Self:
        made = DDPMScheduler.from_config(dict(scheduler))
        return cls(made.alphas_cumprod, made.config.prediction_type, config)

    @property
    def modelspec_prediction(self) -> str:
        return "v" if self.prediction == "v_prediction" else "epsilon"

    @property
    def has_zero_snr(self) -> bool:
        return bool(self.alphas[-1] == 0)

    def draw_levels(self, num: int, generator: Generator) -> Tensor:
        return draw_timesteps(num, self.config, generator)

    def noisy(self, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        alpha_bar = self.alphas[levels].view(-1, 1, 1, 1)
        return alpha_bar.sqrt() * latents + (1 - alpha_bar).sqrt() * noise

    def target(self, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        if self.prediction == "epsilon":
            return noise
        alpha_bar = self.alphas[levels].view(-1, 1, 1, 1)
        return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * latents

    def sigma(self, levels: Tensor) -> Tensor:
        alpha_bar = self.alphas[levels]
        return ((1 - alpha_bar) / alpha_bar).sqrt()

    def weights(self, levels: Tensor) -> Tensor | None:
        return snr_weights(self.snr[levels], self.config, self.prediction)
