"""Records a step's forward and backward pass once for each shape of its inputs, and replays the recording.

    inputs --copied into--> fixed buffers --> recorded kernels --> loss, and gradients in fixed tensors

A step of a LoRA launches some ten thousand small kernels; replayed, the card does not wait for Python between
them (CUDA graphs). Shapes that come once, and those beyond the first few, step without a recording.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pipeline.errors import warn

MOST_GRAPHS = 8
"""Each keeps its inputs and its activations in memory."""
WARM_UPS = 3
"""Steps before a recording, as torch advises: libraries set themselves up in the first ones."""

Work = Callable[[], Tensor]
Capture = Callable[[Work], Work]
"""Turns work on fixed tensors into its replay."""

Recording = tuple[dict[str, Tensor], Tensor, Work]
"""The fixed inputs, the number that multiplies the loss, and the replay."""

checkpoint_without_random = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)
"""Gradient checkpointing that does not read the random generator's state, which a recording cannot."""


def capture_for(device: torch.device) -> Capture | None:
    """The recording of this device; None, with a warning, where there is none."""
    if device.type == "cuda":
        return CudaCapture()
    warn(f"train.cuda_graph needs a CUDA card; steps on this device ({device.type}) are not recorded")
    return None


class CudaCapture:
    """Recordings share their memory, because they never run at the same time."""

    def __init__(self) -> None:
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Work) -> Work:
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                work()
        current.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool):
            loss = work()

        def replay() -> Tensor:
            graph.replay()
            return loss

        return replay


class GraphedStep:
    """`work` computes a loss of inputs, times a number, and adds its gradients to those of `weights`."""

    def __init__(
        self,
        work: Callable[[dict[str, Tensor], Tensor], Tensor],
        weights: Sequence[nn.Parameter],
        capture: Capture,
        most: int = MOST_GRAPHS,
    ) -> None:
        self.work, self.weights, self.capture, self.most = work, weights, capture, most
        self.graphs: dict[tuple[object, ...], Recording] = {}
        self._seen: set[tuple[object, ...]] = set()
        self._has_said = False

    def __call__(self, inputs: Mapping[str, Tensor], factor: float, begins: bool) -> Tensor:
        """The loss. begins: whether this is the first batch of an update, before which gradients are zero."""
        if begins:
            self._zero()
        key = self._key(inputs)
        if key not in self.graphs and not (begins and self._is_worth(key)):
            window = torch.full((), factor, device=inputs["noisy"].device)
            return self.work(dict(inputs), window)
        if key not in self.graphs:
            self.graphs[key] = self._captured(inputs, factor)
        buffers, window, replay = self.graphs[key]
        for name, value in inputs.items():
            buffers[name].copy_(value, non_blocking=True)
        window.fill_(factor)
        return replay().clone()

    def _key(self, inputs: Mapping[str, Tensor]) -> tuple[object, ...]:
        """Of inputs that one recording fits. The text encoder may rest from some epoch on."""
        learning = sum(weight.requires_grad for weight in self.weights)
        return learning, *((name, value.shape, value.dtype) for name, value in sorted(inputs.items()))

    def _is_worth(self, key: tuple[object, ...]) -> bool:
        """Whether the shape comes again and there is room for one more recording."""
        if key not in self._seen:
            self._seen.add(key)
            return False
        if len(self.graphs) < self.most:
            return True
        if not self._has_said:
            warn(
                f"train.cuda_graph: {self.most} shapes of batches are recorded, the others step without;"
                " fewer crop buckets, or class pictures of the same size, record all"
            )
            self._has_said = True
        return False

    def _captured(self, inputs: Mapping[str, Tensor], factor: float) -> Recording:
        buffers = {name: value.clone() for name, value in inputs.items()}
        window = torch.full((), factor, device=inputs["noisy"].device)
        replay = self.capture(lambda: self.work(buffers, window))
        self._zero()  # the steps before the recording have left gradients
        return buffers, window, replay

    def _zero(self) -> None:
        """Keeps the tensors. A weight without a gradient has none: the optimiser leaves it alone."""
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        if gradients:
            torch._foreach_zero_(gradients)
