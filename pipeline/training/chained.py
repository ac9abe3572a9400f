"""Several optimisers behind one, for classes that accept a single learning rate."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class ChainedOptimizer(torch.optim.Optimizer):
    """Shares its members' group objects: a scheduler that sets a rate here sets it in the members."""

    def __init__(self, members: Sequence[torch.optim.Optimizer]) -> None:
        self.members = list(members)
        super().__init__(self._groups(), {})

    def _groups(self) -> list[dict[str, Any]]:
        return [group for member in self.members for group in member.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Steps every member; calls the closure, if any, once before."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for member in self.members:
            member.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"members": [member.state_dict() for member in self.members]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for member, state in zip(self.members, state_dict["members"], strict=True):
            member.load_state_dict(state)
        self.param_groups = self._groups()

    @property  # type: ignore[override]
    def state(self) -> dict[Tensor, Any]:
        """The members' states by parameter, read-only."""
        return {parameter: value for member in self.members for parameter, value in member.state.items()}

    @state.setter
    def state(self, value: object) -> None:
        """Ignores the empty state that torch's constructor sets."""
