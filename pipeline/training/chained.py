"""Several optimisers that act as one, for those that refuse two learning rates."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class Several(torch.optim.Optimizer):
    """Its groups are those of its members, the very same: a scheduler that sets a rate here sets it there."""

    def __init__(self, members: Sequence[torch.optim.Optimizer]) -> None:
        self.members = list(members)
        super().__init__(self._groups(), {})

    def _groups(self) -> list[dict[str, Any]]:
        return [group for member in self.members for group in member.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """A step of each; the closure, where there is one, is called once before."""
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
        """What the members remember, by parameter; to be read."""
        return {parameter: kept for member in self.members for parameter, kept in member.state.items()}

    @state.setter
    def state(self, value: object) -> None:
        """torch's own constructor puts an empty one here."""
