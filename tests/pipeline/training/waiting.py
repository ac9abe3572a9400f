"""Finds what would make a step wait for the device, on a CPU: calls that read a number, and copies to or from
the device that block. On a CPU every tensor is on the same device, so any copy that names a device counts
unless it says `non_blocking`.
"""

import sys
from collections import Counter
from types import FrameType
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

READS = {
    "_local_scalar_dense",
    "nonzero",
    "is_nonzero",
    "masked_select",
    "equal",
    "_unique2",
    "repeat_interleave",
}
"""Operations whose result's shape or value the program needs."""
BLOCKING = {"cpu", "numpy", "tolist", "cuda", "pin_memory"}
ON_DEVICE = ("/torch/nn/utils/", "/transformers/models/")
"""They name the device that their tensors are on already."""


def _place() -> str:
    """The line of ours that called, or the innermost one."""
    frame: FrameType | None = sys._getframe(2)
    first = ""
    while frame:
        name = frame.f_code.co_filename
        first = first or f"{name}:{frame.f_lineno}"
        if "/pipeline/" in name and "/tests/" not in name:
            return f"{name.rpartition('/pipeline/')[2]}:{frame.f_lineno}"
        frame = frame.f_back
    return first


def _is_torchs_own() -> bool:
    caller = sys._getframe(2).f_code.co_filename
    return any(each in caller for each in ON_DEVICE)


class _Reads(TorchDispatchMode):
    def __init__(self, found: Counter[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = found
        self.drawn: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._overloadpacket.__name__
        by_mask = name == "index" and any(
            isinstance(each, Tensor) and each.dtype in (torch.bool, torch.uint8) for each in args[1]
        )
        drawn = name == "_local_scalar_dense" and args[0].untyped_storage().data_ptr() in self.drawn
        if (name in READS or by_mask) and not drawn:
            self.found[f"{name} at {_place()}"] += 1
        made = func(*args, **kwargs)
        if kwargs.get("generator"):  # numbers from a generator are on the CPU
            self.drawn = {made.untyped_storage().data_ptr()}
        return made


class _Copies(TorchFunctionMode):
    def __init__(self, found: Counter[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        names_device = "device" in kwargs or any(isinstance(each, torch.device | str) for each in args[1:])
        blocks = name == "to" and names_device and not kwargs.get("non_blocking") and not _is_torchs_own()
        if (name in BLOCKING or blocks) and isinstance(args[0], Tensor):
            self.found[f"{name} at {_place()}"] += 1
        return func(*args, **kwargs)


class Waits(lightning.Callback):
    """`found`: what would wait, by call and line, from the second batch's arrival to the end of its step. The
    first callback of a run, so that it sees the others begin.
    """

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self._modes: list[Any] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        if batch_idx:
            self._modes = [_Reads(self.found), _Copies(self.found)]
            for mode in self._modes:
                mode.__enter__()

    def end(self) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(None, None, None)
        self._modes = []


class EndOfWaits(lightning.Callback):
    """The last callback of a run."""

    def __init__(self, waits: Waits) -> None:
        self.waits = waits

    def on_train_batch_end(self, *arguments: Any) -> None:  # noqa: ARG002
        self.waits.end()
