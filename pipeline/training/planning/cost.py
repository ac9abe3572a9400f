"""Estimates a step's cost before a run: counts operations and memory on tensors without data (torch's fake
tensors), and derives the time from a benchmark of this device.
"""

import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from pipeline.bases.conditioning import Conditioning
from pipeline.schemas import Config
from pipeline.training.data import Batch
from pipeline.training.module import Denoising
from pipeline.training.offload import chosen_blocks
from pipeline.training.planning.optimizer_state import state_bytes
from pipeline.training.precision import FULL, PRECISION_DTYPES
from pipeline.training.text_outputs import are_fixed

EFFICIENCY = {"cpu": 0.5, "cuda": 0.45, "mps": 0.4}
"""Fraction of a large matrix product's speed that a training step reaches."""
EMA_BYTES = 4
"""Of a weight's running mean (`train.ema_decay`)."""
COPY_BYTES = 2
"""Of the 16-bit copy of a weight in fp32, which mixed precision makes in the forward pass."""


@dataclass(frozen=True)
class Cost:
    """A step's floating-point operations; bytes of weights, their 16-bit copies, gradients and optimiser
    state; peak bytes of everything else, per picture.
    """

    operations: int
    fixed_bytes: int
    picture_bytes: int
    pictures: int

    @property
    def bytes(self) -> int:
        return self.fixed_bytes + self.pictures * self.picture_bytes

    def largest_batch(self, memory_bytes: int) -> int:
        """The largest number of pictures a step that fits into this memory."""
        return max(0, (memory_bytes - self.fixed_bytes) // self.picture_bytes)


def step_cost(module: Denoising, batch: Batch) -> Cost:
    """Counts without computing. The module must be prepared and its network attached to the base. Text
    encoders whose outputs are kept are not counted.
    """
    batch = _with_kept_texts(module, batch)
    learning = list(module.network.parameters())
    parts: list[nn.Module] = [module.base.part(name) for name in _parts_in_memory(module, batch)]
    learns = {id(parameter) for parameter in learning}
    frozen = [
        tensor
        for part in parts
        for tensor in [*part.parameters(), *part.buffers()]
        if id(tensor) not in learns
    ]
    # A weight's gradient is freed at once, because `fixed` counts it.
    hooks = [each.register_post_accumulate_grad_hook(_let_go) for each in learning]
    dtype = PRECISION_DTYPES[module.precision.removesuffix(FULL)]
    mixed = torch.autocast("cpu", dtype, enabled=dtype != torch.float32, cache_enabled=False)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        weights = [mode.from_tensor(tensor) for tensor in [*learning, *frozen]]
        with _Counted(weights) as counted:
            with mixed:
                loss = (module.picture_losses(batch) * batch.weight).mean()
            loss.backward()
    for hook in hooks:
        hook.remove()
    copies = sum(copied_bytes(module.settings, each.dtype) * each.numel() for each in learning)
    fixed = sum(map(_bytes, frozen)) + _learning_bytes(module.settings, learning) - _bytes_away(module)
    number = len(batch.weight)
    return Cost(counted.operations, fixed + copies, max(1, counted.most - copies) // number, number)


def copied_bytes(config: Config, dtype: torch.dtype) -> int:
    """Of the 16-bit copy of a weight of this type that learns, which waits for the backward pass. With
    gradient checkpointing it is gone after its block.
    """
    mixed = config.train.precision in ("bf16", "fp16") and not config.train.gradient_checkpointing
    return COPY_BYTES if mixed and dtype == torch.float32 else 0


def _learning_bytes(config: Config, learning: Sequence[Tensor]) -> int:
    """Weights, gradients, optimiser state and running mean. A fused backward pass holds one gradient at a
    time.
    """
    sizes = [_bytes(each) for each in learning]
    gradients = max(sizes, default=0) if config.train.fused_backward else sum(sizes)
    kept = sum(each.numel() * kept_bytes(config, each.dtype) for each in learning)
    return sum(sizes) + gradients + round(kept)


def kept_bytes(config: Config, dtype: torch.dtype) -> float:
    """What stays between steps for each weight of this type, besides the weight itself."""
    mean = 0 if config.train.ema_decay is None else EMA_BYTES
    return mean + state_bytes(config, dtype)


def _bytes_away(module: Denoising) -> int:
    """Of blocks that wait in the machine's memory; two at a time are on the device."""
    kinds = module.base.family.recomputed_blocks
    blocks = chosen_blocks(module.base.denoiser, module.settings.train.offload, kinds)
    sizes = sorted(sum(map(_bytes, block.parameters())) for block in blocks)
    return sum(sizes[:-2])


def _with_kept_texts(module: Denoising, batch: Batch) -> Batch:
    """The batch as training sees it where the text encoders' outputs are kept."""
    if batch.conditioning is not None or not are_fixed(module.settings):
        return batch
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        encoded = module.base.family.encode_texts(
            module.base, batch.ids, module.settings.base.clip_skip, batch.further_ids
        )
    shapes = {name: value for name, value in vars(encoded).items() if value is not None}
    made = {name: torch.zeros(value.shape, dtype=value.dtype) for name, value in shapes.items()}
    return replace(batch, conditioning=Conditioning(**made))


def _parts_in_memory(module: Denoising, batch: Batch) -> Iterator[str]:
    """The denoiser, and the text encoders unless the batch has their outputs."""
    base = module.base
    yield base.family.denoiser.name
    if batch.conditioning is None:
        yield from base.text_part_names


def _let_go(parameter: Tensor) -> None:
    parameter.grad = None


class _Counted(TorchDispatchMode):
    """Counts floating-point operations and bytes of live storages, now and at the peak, without `weights`."""

    def __init__(self, weights: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.known = {int(weight.untyped_storage()._cdata) for weight in weights}
        self.operations = self.now = self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.prim.device.default:  # called more often than any computation
            return func(*args, **kwargs)
        count = flop_registry.get(func._overloadpacket)
        if count is None:
            with self:  # count a composite operation by its parts
                made = func.decompose(*args, **kwargs)
            if made is not NotImplemented:
                return made
        made = func(*args, **kwargs)
        self.operations += count(*args, **kwargs, out_val=made) if count else 0
        for each in tree_leaves(made):
            if isinstance(each, Tensor):
                self._note(each.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        number, length = int(storage._cdata), storage.nbytes()
        if number in self.known:
            return
        self.known.add(number)
        self.now += length
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._gone, number, length)

    def _gone(self, number: int, length: int) -> None:
        self.known.discard(number)
        self.now -= length


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def operations_a_second(device: torch.device, dtype: torch.dtype) -> float:
    """This device's speed in a large matrix product; measuring takes about half a second."""
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
    """An estimate, within a factor of about two."""
    return cost.operations / (operations_a_second(device, dtype) * EFFICIENCY.get(device.type, 0.4))
