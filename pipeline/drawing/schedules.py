"""Noise schedules as in AUTOMATIC1111 (modules/sd_schedulers.py; k_diffusion/external.py,
DiscreteSchedule; k_diffusion/sampling.py).

    sigma(t) = sqrt((1 - a) / a) of the base's product of alphas a; between two timesteps log sigma is linear
    uniform      sigma(t), t from the last timestep to 0 in n even steps
    sgm_uniform  the same in n + 1 steps, without the end
    karras       (max^(1/7) + r (min^(1/7) - max^(1/7)))^7, r from 0 to 1    (Karras et al. 2022, eq. 5)
    exponential  exp(log max + r (log min - log max))

n sigmas; the last step goes from the last sigma to 0. For SD 1.5 they run from 14.61 to 0.029.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
RHO = 7.0


@dataclass(frozen=True)
class BaseSigmas:
    """The base's sigmas by timestep, rising."""

    sigmas: FloatArray

    @classmethod
    def of(cls, alphas_cumprod: FloatArray) -> "BaseSigmas":
        return cls(np.asarray(np.sqrt((1 - alphas_cumprod) / alphas_cumprod)))

    def sigma(self, timesteps: FloatArray) -> FloatArray:
        known = np.arange(len(self.sigmas))
        return np.asarray(np.exp(np.interp(timesteps, known, np.log(self.sigmas))))

    def timestep(self, sigmas: FloatArray) -> FloatArray:
        """The denoiser's timesteps for these sigmas, not rounded."""
        known = np.arange(len(self.sigmas), dtype=float)
        return np.asarray(np.interp(np.log(sigmas), np.log(self.sigmas), known))


def schedule(noise: BaseSigmas, name: str, num_steps: int) -> FloatArray:
    """`num_steps` falling sigmas of the schedule `name` (pipeline/schemas/samplers.py)."""
    last, (low, high) = len(noise.sigmas) - 1, noise.sigmas[[0, -1]]
    ramp = np.linspace(0, 1, num_steps)
    if name == "uniform":
        return noise.sigma(np.linspace(last, 0, num_steps))
    if name == "sgm_uniform":
        return noise.sigma(np.linspace(last, 0, num_steps + 1)[:-1])
    if name == "karras":
        return np.asarray((high ** (1 / RHO) + ramp * (low ** (1 / RHO) - high ** (1 / RHO))) ** RHO)
    assert name == "exponential"
    return np.asarray(np.exp(np.log(high) + ramp * (np.log(low) - np.log(high))))
