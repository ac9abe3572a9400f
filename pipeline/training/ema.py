"""A running mean of the weights (exponential moving average): steadier than the last step's.

    mean <- decay mean + (1 - decay) weights,    decay = min(ema_decay, n / (9 + n)) at the n-th update

The first update sets the mean to the weights; the rising decay then makes it forget the random start. As in
diffusers.training_utils.EMAModel.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pipeline.networks.sharding import split_like


class RunningMean:
    """The mean of some parameters, on their device, in fp32."""

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        self.parameters, self.decay, self.updates = list(parameters), decay, 0
        self.means = [parameter.detach().float().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Adds the weights after a step."""
        self.updates += 1
        rising = self.updates / (9 + self.updates) if self.updates > 1 else 0.0
        now = [parameter.detach().float() for parameter in self.parameters]
        torch._foreach_lerp_(self.means, now, 1 - min(self.decay, rising))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the parameters have their mean values."""
        before = [parameter.detach().clone() for parameter in self.parameters]
        self._put(self.means)
        try:
            yield
        finally:
            self._put(before)

    @torch.no_grad()
    def _put(self, values: Iterable[Tensor]) -> None:
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.copy_(value)

    def to(self, device: torch.device) -> None:
        self.means = [mean.to(device) for mean in self.means]

    def state_dict(self) -> dict[str, object]:
        return {"means": self.means, "updates": self.updates}

    def load_state_dict(self, state: dict[str, object]) -> None:
        means, updates = state["means"], state["updates"]
        assert isinstance(means, list)
        assert isinstance(updates, int)
        self.means = [
            split_like(mean, old).to(old.device) for mean, old in zip(means, self.means, strict=True)
        ]
        self.updates = updates
