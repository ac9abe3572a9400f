"""A full fine-tune's weights over several devices (FSDP): each keeps a shard of every weight, of its gradient
and of the optimiser's state.

    a block:  its weights are gathered --> forward or backward --> all but the own shard is freed
    its gradients:  mean over the devices, each of which keeps its shard

By torch's fully_shard (Zhao et al. 2023, arXiv 2304.11277, second version). A shard is a DTensor, which
replaces the weight between two steps.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from pipeline.device import leads


def shard(denoiser: nn.Module, text_encoders: Sequence[nn.Module], mesh: DeviceMesh) -> None:
    """Splits the trained weights; the others stay whole on every device."""
    from torch.distributed.fsdp import fully_shard

    frozen = {
        weight
        for part in (denoiser, *text_encoders)
        for weight in part.parameters()
        if not weight.requires_grad
    }
    texts = [block for encoder in text_encoders for block in _blocks(encoder)]
    for module in (*_blocks(denoiser), denoiser, *texts):
        if any(weight not in frozen for weight in module.parameters()):
            # Freed after each pass: between two steps weights may change (by a running mean).
            fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=frozen)
    for part in (denoiser, *text_encoders):
        for name, weight in part.named_parameters():
            assert not weight.requires_grad or _is_split(weight), name


def _blocks(part: nn.Module) -> Iterator[nn.Module]:
    """Modules that are gathered at a time: ResNet and attention blocks, and the text encoder's layers. The
    text encoder itself is not among them: transformers must find its class unchanged, and `clip_skip` calls
    its last norm from outside.
    """
    kinds = ("ResnetBlock2D", "Transformer2DModel", "CLIPEncoderLayer", "CLIPTextEmbeddings")
    for name, module in part.named_modules():
        if type(module).__name__ in kinds or name.endswith("final_layer_norm"):
            yield module


def everywhere(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be split, on every device. All processes must call it."""
    full: Tensor = tensor.full_tensor() if _is_split(tensor) else tensor  # type: ignore[attr-defined]
    return full


def whole(value: Any) -> Any:
    """With each split tensor in it whole, on the CPU, in the leading process; the others get empty tensors.
    All processes must call it.
    """
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    if not _is_split(value):
        return value
    full = everywhere(value)
    return full.cpu() if leads() else full.new_empty(0)


def split_like(value: Any, like: Any) -> Any:
    """A whole tensor, split like `like`; unchanged if it is not a tensor, or is whole there too."""
    if not (isinstance(value, Tensor) and _is_split(like) and value.shape == like.shape):
        return value
    from torch.distributed.tensor import distribute_tensor

    mesh = like.device_mesh
    # Every process has read the same file: nothing needs to be sent.
    return distribute_tensor(
        value.to(mesh.device_type, like.dtype), mesh, like.placements, src_data_rank=None
    )


def split_state(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """An optimiser's saved state, each tensor split like its parameter."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    if not any(map(_is_split, parameters)):
        return state
    kept = {
        number: {name: split_like(value, parameters[number]) for name, value in values.items()}
        for number, values in state["state"].items()
    }
    return {**state, "state": kept}


def _is_split(value: object) -> bool:
    """Whether it is a DTensor, of which a process holds a shard; checked without loading their module."""
    return hasattr(value, "full_tensor")
