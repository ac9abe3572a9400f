"""Keeps blocks of the denoiser in the machine's memory; each is on the device only while it works.

    forward:   block 1, block 2, ..., each fetched before and left behind after
    backward:  ..., block 2, block 1; gradient checkpointing runs each forward again, which fetches it

The next block is fetched while one works: on CUDA from pinned memory on a stream of its own. The backward
pass visits blocks strictly in reverse, so that fetching one shows that the one after it is done.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from pipeline.bases.family import Family

NOT_CHECKPOINTED = ("mid_block.resnets.0",)
"""Of a U-Net's recomputed blocks, but diffusers keeps its activations."""

Copy = Callable[[Tensor], Tensor]


def chosen_blocks(
    denoiser: nn.Module, share: float, kinds: Sequence[str] = Family.recomputed_blocks
) -> list[nn.Module]:
    """This share of the denoiser's blocks of these kinds, evenly spread."""
    blocks = [
        module
        for name, module in denoiser.named_modules()
        if type(module).__name__ in kinds and name not in NOT_CHECKPOINTED
    ]
    return [each for n, each in enumerate(blocks) if int((n + 1) * share) > int(n * share)]


class OffloadedBlock:
    """A block's weights: `held` in the machine's memory, and copies on the device while it works."""

    def __init__(self, module: nn.Module, to_host: Copy) -> None:
        self.module, self.weights = module, list(module.parameters())
        self.held = [to_host(weight.data) for weight in self.weights]
        self.copies: list[Tensor] | None = None
        self.is_here = False

    def park(self) -> None:
        """Leaves nothing that a move of the whole module would move."""
        for weight in self.weights:
            weight.data = weight.data.new_empty(0)

    def hold(self) -> None:
        for weight, held in zip(self.weights, self.held, strict=True):
            weight.data = held

    def leave(self) -> None:
        """Keeps what was learned, and frees the copies."""
        if self.is_here:
            for weight, held in zip(self.weights, self.held, strict=True):
                if weight.requires_grad:
                    held.copy_(weight.data, non_blocking=True)
            self.hold()
        self.is_here, self.copies = False, None


class Offload:
    """Hooks on blocks. `to_device`, `to_host`: copy a weight; a test replaces them. `release` ends it."""

    def __init__(
        self,
        blocks: Sequence[nn.Module],
        device: torch.device,
        to_device: Copy | None = None,
        to_host: Copy | None = None,
    ) -> None:
        is_cuda = device.type == "cuda"
        self.stream = torch.cuda.Stream(device) if is_cuda else None
        self.to_device = to_device or (lambda weight: weight.to(device, non_blocking=True))
        host = to_host or (lambda weight: weight.cpu().pin_memory() if is_cuda else weight)
        self.blocks = [OffloadedBlock(module, host) for module in blocks]
        self.in_backward = False
        self._order: list[OffloadedBlock] = []
        self._hooks: list[RemovableHandle] = []
        for block in self.blocks:
            self._hooks += [
                block.module.register_forward_pre_hook(partial(self._begin, block)),
                block.module.register_forward_hook(partial(self._end, block)),
            ]

    def park(self) -> None:
        """Until `hold` the blocks have no weights, so that the base moves to the device without them."""
        for block in self.blocks:
            block.park()

    def hold(self) -> None:
        for block in self.blocks:
            block.hold()

    def begin_backward(self) -> None:
        self.in_backward = True

    def end_backward(self) -> None:
        self.in_backward = False
        for block in self.blocks:
            block.leave()

    def settle(self) -> None:
        """Waits until what was learned is in the machine's memory."""
        if self.stream:
            torch.cuda.synchronize()

    def release(self) -> None:
        self.end_backward()
        self.settle()
        for hook in self._hooks:
            hook.remove()

    def _begin(self, block: OffloadedBlock, *_: Any) -> None:
        """Fetches the block, and begins to copy the next one. The order is that of the first pass."""
        if self.in_backward:
            for other in self.blocks:
                if other is not block and other.copies is not None:
                    other.leave()  # done, or fetched for a pass that needed no gradients of it
        elif block not in self._order:
            self._order.append(block)
        self._bring(block)
        following = self._order.index(block) + (-1 if self.in_backward else 1)
        if 0 <= following < len(self._order):
            self._copy(self._order[following])

    def _end(self, block: OffloadedBlock, *_: Any) -> None:
        if not self.in_backward:
            block.leave()

    def _copy(self, block: OffloadedBlock) -> None:
        """Begins to copy the block to the device."""
        if block.copies is not None:
            return
        if self.stream is None:
            block.copies = [self.to_device(held) for held in block.held]
            return
        self.stream.wait_stream(torch.cuda.current_stream())  # what the block learned has left the device
        with torch.cuda.stream(self.stream):
            block.copies = [self.to_device(held) for held in block.held]

    def _bring(self, block: OffloadedBlock) -> None:
        if block.is_here:
            return
        self._copy(block)
        assert block.copies is not None
        if self.stream:
            current = torch.cuda.current_stream()
            current.wait_stream(self.stream)
            for copy in block.copies:
                copy.record_stream(current)
        for weight, copy in zip(block.weights, block.copies, strict=True):
            weight.data = copy
        block.is_here = True
