"""Samplers by the names that users know, as diffusers' schedulers (pipeline/config/schemas/samplers.py)."""

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

import diffusers
import torch
from diffusers import DPMSolverSDEScheduler
from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler
from torch import Generator, Tensor

from pipeline.config.schemas.samplers import SCHEDULERS


class Sampler:
    """One drawing's steps on the base's own noise schedule: all of `num_steps`, or those from `first_step`
    on. Noise comes from the CPU, each picture's from its own seed.
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
        self.scheduler.set_timesteps(num_steps, device=device)
        self.order: int = self.scheduler.order
        """Calls of the denoiser a step, but for the last step, which has one."""
        skipped = first_step * self.order
        self.timesteps: Tensor = self.scheduler.timesteps[skipped:]
        if first_step and hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(skipped)
        self._extra: dict[str, Any] = {}

    def noise(self, seeds: Sequence[int], width: int, height: int) -> Tensor:
        """[pictures, 4, height/8, width/8] on the sampler's device, each picture's from its own seed; what
        the sampler adds on its way comes from the same seeds.
        """
        generators = [Generator().manual_seed(seed) for seed in seeds]
        drawn = start_noise(generators, width, height)
        if isinstance(self.scheduler, DPMSolverSDEScheduler):
            self.scheduler.noise_sampler = self._brownian(seeds, drawn)
        elif "generator" in inspect.signature(self.scheduler.step).parameters:
            self._extra = {"generator": generators}
        return drawn.to(self.timesteps.device)

    def _brownian(self, seeds: Sequence[int], like: Tensor) -> Any:
        """diffusers would draw it on the device, and not alike on all."""
        sigmas = self.scheduler.sigmas
        lowest, highest = sigmas[sigmas > 0].min().item(), sigmas.max().item()
        tree = BrownianTreeNoiseSampler(like, lowest, highest, list(seeds))
        device = self.timesteps.device

        def noise(sigma: Tensor, sigma_next: Tensor) -> Tensor:
            with warnings.catch_warnings():
                # The tree rounds its ends to six digits, and then finds the last sigma outside of them.
                warnings.filterwarnings("ignore", "Should have t[ab]")
                drawn: Tensor = tree(sigma.cpu(), sigma_next.cpu())
            return drawn.to(device)

        return noise

    def start(self, noise: Tensor) -> Tensor:
        """Latents of pure noise, at the first step's strength."""
        started: Tensor = noise * self.scheduler.init_noise_sigma
        return started

    def noisy(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Latents with as much noise as the first of the steps expects."""
        result: Tensor = self.scheduler.add_noise(latents, noise, self.timesteps[:1])
        return result

    def scaled(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """As the denoiser wants them."""
        result: Tensor = self.scheduler.scale_model_input(latents, timestep)
        return result

    def step(self, predicted: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
        """The latents one timestep on, from the denoiser's prediction."""
        stepped = self.scheduler.step(predicted, timestep, latents, return_dict=False, **self._extra)
        result: Tensor = stepped[0]
        return result


def start_noise(generators: Sequence[Generator], width: int, height: int) -> Tensor:
    """[pictures, 4, height/8, width/8] from the CPU, each picture's from its own generator."""
    shape = (1, 4, height // 8, width // 8)
    return torch.cat([torch.randn(shape, generator=generator) for generator in generators])
