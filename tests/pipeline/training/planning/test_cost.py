"""A step's cost, counted beforehand, against what a step of the random base does."""

import copy
from typing import Any

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from pipeline.bases.base import Base
from pipeline.networks.network import AdapterNetwork
from pipeline.training.data import Batch
from pipeline.training.module import Denoising
from pipeline.training.offload import chosen_blocks
from pipeline.training.planning.cost import Cost, step_cost
from tests.pipeline.training.test_module import batch_of, frozen_base, module_of, settings

pytestmark = pytest.mark.usefixtures("root")


def numbers(base: Base) -> int:
    """Of the U-Net and the text encoder; its buffer of positions holds whole numbers."""
    parts = (base.denoiser, base.text_encoders[0])
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


def cost_of(batch: Batch | None = None, **values: object) -> tuple[Cost, Denoising]:
    base = frozen_base()
    module = module_of(base, settings(**values))
    module.prepare()
    with module.network.attached(base):
        return step_cost(module, batch or batch_of(base)), module


def test_operations_are_those_of_a_step() -> None:
    cost, module = cost_of()
    with FlopCounterMode(display=False) as counter, module.network.attached(module.base):
        module.picture_losses(batch_of(module.base)).mean().backward()
    assert cost.operations == counter.get_total_flops() > 0


def test_nothing_is_computed_and_nothing_left_behind() -> None:
    _, module = cost_of()
    before = copy.deepcopy(module.state_dict())
    with module.network.attached(module.base):
        step_cost(module, batch_of(module.base))
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.network.parameters())


@pytest.mark.parametrize(("precision", "width"), [("fp32", 4), ("bf16", 2)])
def test_weights_gradients_and_moments_by_hand(precision: str, width: int) -> None:
    """The frozen base in the run's numbers; weight, gradient and two moments of what learns, 4 bytes each."""
    cost, module = cost_of(train__precision=precision)
    learning = sum(parameter.numel() for parameter in module.network.parameters())
    buffers = sum(buffer.nbytes for buffer in module.base.text_encoders[0].buffers())
    copies = 2 * learning if precision == "bf16" else 0
    assert cost.fixed_bytes - width * numbers(module.base) - buffers - copies == pytest.approx(
        16 * learning,
        rel=1e-4,  # counters of steps
    )


def test_a_fused_backward_pass_holds_one_gradient() -> None:
    plain, module = cost_of()
    fused, _ = cost_of(train__fused_backward=True, train__clip_norm=0.0)
    gradients = [4 * parameter.numel() for parameter in module.network.parameters()]
    assert plain.fixed_bytes - fused.fixed_bytes == sum(gradients) - max(gradients)


def test_blocks_in_the_machines_memory_are_not_counted_but_for_two() -> None:
    plain, module = cost_of(train__gradient_checkpointing=True)
    away, _ = cost_of(train__gradient_checkpointing=True, train__offload=1.0)
    sizes = sorted(
        sum(weight.nbytes for weight in block.parameters())
        for block in chosen_blocks(module.base.denoiser, 1.0)
    )
    assert plain.fixed_bytes - away.fixed_bytes == sum(sizes[:-2]) > 0


def test_memory_holds_what_the_forward_pass_leaves_and_grows_with_the_pictures() -> None:
    cost, module = cost_of()
    assert isinstance(module.network, AdapterNetwork)
    parts = (module.base.denoiser, module.base.text_encoders[0], module.network)
    weights = {weight.untyped_storage().data_ptr() for part in parts for weight in part.state_dict().values()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with module.network.attached(module.base), saved_tensors_hooks(note, lambda tensor: tensor):
        loss = module.picture_losses(batch_of(module.base)).mean()
    assert sum(kept.values()) <= 2 * cost.picture_bytes <= 1.5 * sum(kept.values())
    assert loss.isfinite()
    one = batch_of(module.base)
    four = Batch(
        one.mean.repeat(2, 1, 1, 1), one.std.repeat(2, 1, 1, 1), one.ids.repeat(2, 1), torch.ones(4), 0
    )
    assert cost_of(four)[0].picture_bytes == pytest.approx(cost.picture_bytes, rel=0.05)


def test_what_spares_memory_is_seen_to() -> None:
    plain = cost_of()[0]
    assert cost_of(train__gradient_checkpointing=True)[0].picture_bytes < plain.picture_bytes
    assert cost_of(train__precision="bf16")[0].picture_bytes < plain.picture_bytes


def test_text_encoders_whose_outputs_are_kept_cost_nothing() -> None:
    """Captions that change are encoded in each step; a few variants are encoded before."""
    changing, _ = cost_of(network__text_encoder=False)
    kept, module = cost_of(network__text_encoder=False, train__caption_variants=4)
    encoder = module.base.text_encoders[0]
    assert changing.fixed_bytes - kept.fixed_bytes == sum(
        each.nbytes for each in (*encoder.parameters(), *encoder.buffers())
    )
    assert kept.operations < changing.operations


@pytest.mark.parametrize(("name", "numbers_a_weight"), [("adamw8bit", 2.5), ("lion", 3)])
def test_optimisers_keep_less_than_adamw(name: str, numbers_a_weight: float) -> None:
    """Weight and gradient, and what the optimiser keeps; AdamW: 4. Within 1 %: scales of 8-bit numbers."""
    plain, module = cost_of()
    learning = sum(parameter.numel() for parameter in module.network.parameters())
    values: dict[str, Any] = {"optimizer__name": name, **({"optimizer__eps": None} if name == "lion" else {})}
    assert plain.fixed_bytes - cost_of(**values)[0].fixed_bytes == pytest.approx(
        4 * learning * (4 - numbers_a_weight), rel=0.01
    )


def test_a_running_mean_takes_four_bytes_a_weight() -> None:
    plain, module = cost_of()
    learning = sum(parameter.numel() for parameter in module.network.parameters())
    assert cost_of(train__ema_decay=0.9)[0].fixed_bytes - plain.fixed_bytes == 4 * learning


def test_mixed_precision_keeps_a_copy_in_16_bits_of_what_learns() -> None:
    """Until its gradient is due; gradient checkpointing makes it again, block by block."""
    mixed, module = cost_of(train__precision="bf16")
    checkpointed, _ = cost_of(train__precision="bf16", train__gradient_checkpointing=True)
    learning = sum(parameter.numel() for parameter in module.network.parameters())
    assert mixed.fixed_bytes - checkpointed.fixed_bytes == 2 * learning
