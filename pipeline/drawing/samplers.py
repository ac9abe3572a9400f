"""Samplers by their usual names, as diffusers' schedulers (pipeline/schemas/samplers.py). Those that
AUTOMATIC1111 takes from k-diffusion use its noise schedules (schedules.py).
"""

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, DPMSolverSDEScheduler
from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler
from torch import Generator, Tensor

from pipeline.bases.base import Base
from pipeline.drawing.schedules import BaseSigmas, FloatArray, schedule
from pipeline.errors import UserError
from pipeline.objectives.zero_snr import zero_terminal
from pipeline.schemas.samplers import A1111_NAMES, SAMPLER_PARTS, SAMPLERS_OF, SCHEDULERS, SDE

KEY_OF_ZERO_SNR = "rescale_betas_zero_snr"
"""An argument of diffusers' classes that know it; the others get the rescaled schedule from here."""
Path = Callable[[Tensor, Tensor], Tensor]
"""Noise between two sigmas, of unit variance."""


def check_sampler(name: str, base: Base) -> None:
    """Raises UserError if the sampler does not work with the base."""
    facts = base.family.facts
    fitting = SAMPLERS_OF[facts.objective]
    if name not in fitting:
        others = ", ".join(A1111_NAMES[each] for each in sorted(fitting)) or "none yet"
        raise UserError(
            f"sampler {A1111_NAMES[name]} does not work with {facts.title}, whose objective is"
            f" {facts.objective}; samplers that do: {others}"
        )


class Sampler:
    """The steps of one drawing on the base's noise schedule: `num_steps`, without those before `first_step`.
    Noise comes from the CPU, each picture's from its own seed.
    """

    def __init__(
        self,
        name: str,
        scheduler_config: dict[str, Any],
        num_steps: int,
        device: torch.device,
        first_step: int = 0,
    ) -> None:
        kind, options = SCHEDULERS[name]
        self.scheduler: Any = getattr(diffusers, kind).from_config(
            scheduler_config, clip_sample=False, **options
        )
        known = inspect.signature(type(self.scheduler).__init__).parameters
        if scheduler_config.get(KEY_OF_ZERO_SNR) and KEY_OF_ZERO_SNR not in known:
            self.scheduler.alphas_cumprod = with_last(zero_terminal(self.scheduler.alphas_cumprod))
        self.scheduler.set_timesteps(num_steps, device=device)
        self.order: int = self.scheduler.order
        """Calls of the denoiser in a step; the last step has one."""
        self._extra: dict[str, Any] = {}
        self._path: Path | None = None
        if name in SAMPLER_PARTS:
            self._put_schedule(SAMPLER_PARTS[name][1], num_steps, first_step)
            self.timesteps: Tensor = self.scheduler.timesteps
            return
        self.timesteps = self.scheduler.timesteps[first_step * self.order :]
        if first_step and hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(first_step * self.order)

    def _put_schedule(self, name: str, num_steps: int, first_step: int) -> None:
        """Replaces diffusers' schedule, which begins and ends at other values. Cuts off steps before
        `first_step`, so that a multistep sampler does not use them.
        """
        noise = BaseSigmas.of(self.scheduler.alphas_cumprod.double().numpy())
        sigmas = schedule(noise, name, num_steps)
        self._range = (float(sigmas.min()), float(sigmas.max()))
        sigmas = sigmas[first_step:]
        timesteps = self._doubled(noise.timestep(sigmas))
        if isinstance(self.scheduler, DPMSolverSDEScheduler):
            timesteps[1::2] = noise.timestep(np.sqrt(sigmas[:-1] * sigmas[1:]))
        scheduler, device = self.scheduler, self.scheduler.timesteps.device
        scheduler.sigmas = torch.from_numpy(np.append(self._doubled(sigmas), 0)).float()
        scheduler.timesteps = torch.from_numpy(timesteps).to(device, torch.float32)
        scheduler.num_inference_steps = len(sigmas)
        scheduler.set_begin_index(0)

    def _doubled(self, values: FloatArray) -> FloatArray:
        """A value for each call of the denoiser."""
        return np.append(values[:1], np.repeat(values[1:], self.order))

    def noise(self, seeds: Sequence[int], width: int, height: int) -> Tensor:
        """[pictures, 4, height/8, width/8] on the sampler's device, each picture's from its own seed, which
        also seeds the noise that the sampler adds in its steps.
        """
        generators = [Generator().manual_seed(seed) for seed in seeds]
        drawn = start_noise(generators, width, height)
        if isinstance(self.scheduler, DPMSolverSDEScheduler):
            self.scheduler.noise_sampler = self._brownian(seeds, drawn)
        elif getattr(self.scheduler.config, "algorithm_type", None) == SDE["algorithm_type"]:
            self._path = self._brownian(seeds, drawn)
        elif "generator" in inspect.signature(self.scheduler.step).parameters:
            self._extra = {"generator": generators}
        return drawn.to(self.timesteps.device)

    def _brownian(self, seeds: Sequence[int], like: Tensor) -> "Path":
        """Noise of the SDE samplers as in A1111. diffusers would draw it on the device, differently on each,
        or another kind of noise.
        """
        tree: Any = BrownianTreeNoiseSampler(like, *self._range, list(seeds))  # annotated for floats alone
        device = self.timesteps.device

        def noise(sigma: Tensor, sigma_next: Tensor) -> Tensor:
            with warnings.catch_warnings():
                # The tree rounds its ends to six digits, which puts the last sigma outside.
                warnings.filterwarnings("ignore", "Should have t[ab]")
                drawn: Tensor = tree(sigma.cpu(), sigma_next.cpu())
            return drawn.to(device)

        return noise

    def start(self, noise: Tensor) -> Tensor:
        """Pure noise of the first step's level; diffusers' multistep solvers expect unit variance."""
        strength = self.scheduler.init_noise_sigma
        if isinstance(self.scheduler, DPMSolverMultistepScheduler):
            strength = self.scheduler.sigmas[0] / (self.scheduler.sigmas[0] ** 2 + 1) ** 0.5
        started: Tensor = noise * strength
        return started

    def noisy(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Latents with the first step's level of noise."""
        result: Tensor = self.scheduler.add_noise(latents, noise, self.timesteps[:1])
        return result

    def scaled(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Latents scaled for the denoiser."""
        result: Tensor = self.scheduler.scale_model_input(latents, timestep)
        return result

    def step(self, predicted: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
        """The next step's latents, from the denoiser's prediction."""
        if self._path:
            here, after = self.scheduler.sigmas[self.scheduler.step_index or 0 :][:2]
            noise = self._path(here, after) if after > 0 else torch.zeros_like(latents)
            self._extra = {"variance_noise": noise}
        stepped = self.scheduler.step(predicted, timestep, latents, return_dict=False, **self._extra)
        result: Tensor = stepped[0]
        return result


def with_last(alphas_cumprod: Tensor) -> Tensor:
    """With a last alpha_bar just above 0, so that its sigma is finite: 4096 (diffusers'
    EulerDiscreteScheduler).
    """
    changed = alphas_cumprod.clone()
    changed[-1] = 2**-24
    return changed


def start_noise(generators: Sequence[Generator], width: int, height: int) -> Tensor:
    """[pictures, 4, height/8, width/8] from the CPU, each picture's from its own generator."""
    shape = (1, 4, height // 8, width // 8)
    return torch.cat([torch.randn(shape, generator=generator) for generator in generators])
