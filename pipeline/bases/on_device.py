"""Lends a module's weights to a device: model offloading, as diffusers calls it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def on_device(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside, copies of its weights on the device take their place, and are not trained; outside, the weights
    are as they were. They stay where they are meanwhile, so that nothing is copied back.
    """
    places = [
        (table, name, tensor)
        for each in module.modules()
        for table in (each._parameters, each._buffers)
        for name, tensor in table.items()
        if tensor is not None
    ]
    lent = dict[int, Tensor]()
    try:
        for table, name, tensor in places:
            if id(tensor) not in lent:  # tied weights stay one
                lent[id(tensor)] = _copy(tensor, device)
            table[name] = lent[id(tensor)]  # type: ignore[assignment]
        yield
    finally:
        for table, name, tensor in places:
            table[name] = tensor  # type: ignore[assignment]


def _copy(tensor: Tensor, device: torch.device) -> Tensor:
    copied = tensor.data.to(device)
    return nn.Parameter(copied, requires_grad=False) if isinstance(tensor, nn.Parameter) else copied
