"""Updates one weight at a time with any optimiser that keeps its state by weight.

    fused backward:  gradient of W complete --> W updated --> gradient freed     (the next gradient follows)

So at most one gradient is in memory (Lv et al. 2023, arXiv 2306.09782). Without it, the weights are updated
one after another in `step`; either way a weight in bf16 can be rounded stochastically.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from pipeline.training.stochastic_rounding import Rounding, rounded


class WeightByWeight(torch.optim.Optimizer):
    """Shares the groups and the state of `inner`, whose checkpoints it reads and writes.

    fused: updates each weight in the backward pass. rounding: steps weights in bf16 in float32, and rounds
    them and their running means stochastically.
    """

    def __init__(
        self, inner: torch.optim.Optimizer, *, fused: bool, rounding: Rounding | None = None
    ) -> None:
        self.inner, self.rounding = inner, rounding
        super().__init__(inner.param_groups, {})
        self.places = {
            weight: (number, group)
            for number, (weight, group) in enumerate(
                (weight, group) for group, held in enumerate(inner.param_groups) for weight in held["params"]
            )
        }
        self._gradient_norms: dict[Tensor, Tensor] | None = None
        self._hooks = [_hooked(weight, self._complete) for weight in self.places] if fused else []

    @property
    def is_fused(self) -> bool:
        return bool(self._hooks)

    def release(self) -> None:
        """From here on, a backward pass updates nothing."""
        for hook in self._hooks:
            hook.remove()

    def watch_gradients(self) -> None:
        """Keeps the norms of the next backward pass's gradients, which are gone afterwards."""
        self._gradient_norms = {}

    def gradient_norm(self) -> Tensor | None:
        """Of all gradients since `watch_gradients`."""
        norms, self._gradient_norms = self._gradient_norms, None
        return torch.linalg.vector_norm(torch.stack(list(norms.values()))) if norms else None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Updates every weight that has a gradient; after a fused backward pass none has."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for weight in self.places:
            if weight.grad is not None:
                self._update(weight)
        return loss

    def _complete(self, weight: Tensor) -> None:
        if self._gradient_norms is not None and weight.grad is not None:
            self._gradient_norms[weight] = torch.linalg.vector_norm(weight.grad.detach().float())
        self._update(weight)
        weight.grad = None

    @torch.no_grad()
    def _update(self, weight: Tensor) -> None:
        if self.rounding is None or weight.dtype != torch.bfloat16:
            self._step_alone(weight)
            return
        number, _ = self.places[weight]
        generator = self.rounding.generator(number, weight.device)
        held, state = weight.data, self.inner.state[weight]
        gradient = weight.grad
        assert gradient is not None
        weight.grad = None  # its type must be the weight's
        weight.data = held.float()
        weight.grad = gradient.float()
        _raise(state)
        self._step_alone(weight)
        held.copy_(rounded(weight.data, generator))
        weight.grad = None
        weight.data = held
        weight.grad = gradient  # the same tensor: a CUDA graph fills it
        _lower(state, held.shape, generator)

    def _step_alone(self, weight: Tensor) -> None:
        _, group = self.places[weight]
        groups, state = self.inner.param_groups, self.inner.state[weight]
        _follow(state, weight.device, counts=bool(groups[group].get("fused")))
        self.inner.param_groups = [{**groups[group], "params": [weight]}]
        try:
            self.inner.step()
        finally:
            self.inner.param_groups = groups

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.inner.load_state_dict(state_dict)
        self.param_groups = self.inner.param_groups

    @property  # type: ignore[override]
    def state(self) -> dict[Tensor, Any]:
        """The optimiser's own."""
        return self.inner.state

    @state.setter
    def state(self, value: object) -> None:
        """Ignores the empty state that torch's constructor sets."""


def _hooked(weight: Tensor, act: Callable[[Tensor], None]) -> RemovableHandle:
    """Also if the weight rests now: it may learn again after a rollback."""
    learns = weight.requires_grad
    handle: RemovableHandle = weight.requires_grad_(True).register_post_accumulate_grad_hook(act)
    weight.requires_grad_(learns)
    return handle


def _follow(state: dict[str, Any], device: torch.device, counts: bool) -> None:
    """Moves a loaded state to its weight, which was in the machine's memory then (`train.offload`)."""
    for name, value in state.items():
        if isinstance(value, Tensor) and value.device != device and (value.ndim or counts):
            state[name] = value.to(device)


def _raise(state: dict[str, Any]) -> None:
    """Running means in bf16 as float32."""
    for name, value in state.items():
        if isinstance(value, Tensor) and value.dtype == torch.bfloat16:
            state[name] = value.float()


def _lower(state: dict[str, Any], shape: torch.Size, generator: torch.Generator) -> None:
    """Running means of the weight's shape in bf16; smaller ones (rows, columns, counts) stay exact."""
    for name, value in state.items():
        if isinstance(value, Tensor) and value.dtype == torch.float32 and value.shape == shape and value.ndim:
            state[name] = rounded(value, generator)
