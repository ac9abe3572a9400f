"""What a step costs, before a run: its operations and its memory are counted on tensors that have shapes and
no numbers (torch's fake tensors), its time follows from what this device is seen to do.
"""

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from pipeline.training.data import Batch
from pipeline.training.module import Denoising

EFFICIENCY = {"cpu": 0.5, "cuda": 0.45, "mps": 0.4}
"""Share of a large matrix product's rate that a training step reaches."""
MOMENTS = 2
"""Numbers that AdamW keeps of each weight; other optimisers fewer or more."""


@dataclass(frozen=True)
class Cost:
    """Of a step: floating-point operations; bytes of the weights, their gradients and the optimiser's state;
    bytes that the forward pass leaves for the backward pass, by picture.
    """

    operations: int
    fixed_bytes: int
    picture_bytes: int
    pictures: int

    @property
    def bytes(self) -> int:
        return self.fixed_bytes + self.pictures * self.picture_bytes

    def largest_batch(self, memory_bytes: int) -> int:
        """Pictures a step that fit into so much memory."""
        return max(0, (memory_bytes - self.fixed_bytes) // self.picture_bytes)


def step_cost(module: Denoising, batch: Batch) -> Cost:
    """Counted without computing; the network must be attached to its base."""
    learning = list(module.network.parameters())
    parts: list[nn.Module] = [module.base.unet, module.base.text_encoder]
    frozen = [tensor for part in parts for tensor in [*part.parameters(), *part.buffers()]]
    number = len(batch.weight)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, FlopCounterMode(display=False) as counter:
        kept = _Kept([mode.from_tensor(tensor) for tensor in [*learning, *frozen]])
        with saved_tensors_hooks(kept.note, lambda tensor: tensor):
            loss = (module.picture_losses(batch) * batch.weight).mean()
        loss.backward()  # type: ignore[no-untyped-call]
    for parameter in learning:
        parameter.grad = None
    fixed = sum(map(_bytes, frozen)) + (2 + MOMENTS) * sum(map(_bytes, learning))
    return Cost(counter.get_total_flops(), fixed, kept.bytes // number, number)


class _Kept:
    """Bytes of tensors that autograd keeps, each storage once, weights left out."""

    def __init__(self, weights: list[Tensor]) -> None:
        self.seen = {_storage(weight) for weight in weights}
        self.alive = list(weights)
        self.bytes = 0

    def note(self, tensor: Tensor) -> Tensor:
        if _storage(tensor) not in self.seen and not isinstance(tensor, nn.Parameter):
            self.seen.add(_storage(tensor))
            self.alive.append(tensor)
            self.bytes += tensor.untyped_storage().nbytes()
        return tensor


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def operations_a_second(device: torch.device, dtype: torch.dtype) -> float:
    """What this device does in a large matrix product, measured in about half a second."""
    side = 8192 if device.type == "cuda" else 1024
    matrix = torch.randn(side, side, device=device, dtype=dtype)

    def once() -> None:
        torch.mm(matrix, matrix)
        if device.type == "cuda":
            torch.cuda.synchronize()

    once()
    best = min(_seconds(once) for _ in range(5))
    return 2.0 * side**3 / best


def _seconds(work: object) -> float:
    assert callable(work)
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def seconds_a_step(cost: Cost, device: torch.device, dtype: torch.dtype) -> float:
    """An estimate, right to about a factor of two."""
    return cost.operations / (operations_a_second(device, dtype) * EFFICIENCY.get(device.type, 0.4))
