"""Recorded steps, on a stand-in for the recording: it runs the work again on the same fixed tensors. What a
recording needs is checked there: inputs, gradients and weights stay where they were.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn

from pipeline.training import module as training_module
from pipeline.training.graphed import GraphedStep, capture_for
from pipeline.training.module import Denoising
from tests.pipeline.training.stepped import are_equal, batches_of, made, stepped, weights_of

pytestmark = pytest.mark.usefixtures("root")
GRAPH = {"train.cuda_graph": True}
FULL = {"optimizer.lr": 1e-5, "optimizer.text_encoder_lr": 1e-5}


class StandIn:
    """Counts recordings and replays; fails if a gradient has moved since the recording."""

    def __init__(self, weights: Callable[[], list[nn.Parameter]]) -> None:
        self.weights = weights
        self.recorded = self.replayed = 0

    def places(self) -> list[int | None]:
        return [
            place
            for weight in self.weights()
            for place in (weight.data_ptr(), None if weight.grad is None else weight.grad.data_ptr())
        ]

    def __call__(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        self.recorded += 1
        for _ in range(2):  # as before a real recording: leaves gradients
            work()
        expected = self.places()

        def replay() -> Tensor:
            self.replayed += 1
            loss = work()
            assert self.places() == expected
            return loss

        return replay


def graphed(
    monkeypatch: pytest.MonkeyPatch, use: dict[str, str], values: dict[str, Any]
) -> tuple[Denoising, StandIn]:
    module = made(use, {**values, **GRAPH})
    stand_in = StandIn(lambda: list(module.network.parameters()))
    monkeypatch.setattr(training_module, "capture_for", lambda _: stand_in)
    return module, stand_in


@pytest.mark.parametrize(
    ("use", "values"),
    [
        ({}, {"train.clip_norm": 1.0, "train.ema_decay": 0.9}),
        ({}, {"train.precision": "bf16", "noise.min_snr_gamma": 5.0, "noise.offset": 0.1}),
        ({}, {"train.gradient_checkpointing": True, "base.clip_skip": 2}),
        ({}, {"train.gradient_accumulation": 2}),
        ({}, {"train.precision": "bf16_full", "train.stochastic_rounding": True}),
        ({}, {"train.precision": "bf16", "train.base_precision": "int8"}),
        ({"network": "loha"}, {"train.precision": "bf16"}),
        ({"network": "checkpoint"}, FULL),
        ({"optimizer": "prodigy"}, {"optimizer.lr": 0.5, "optimizer.text_encoder_lr": 0.5}),
    ],
)
def test_weights_are_those_of_a_plain_run(
    use: dict[str, str], values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, (ours, stand_in) = made(use, values), graphed(monkeypatch, use, values)
    _, known = stepped(plain, batches_of(plain.base, 5))
    _, history = stepped(ours, batches_of(ours.base, 5))
    assert are_equal(weights_of(plain), weights_of(ours))
    assert [row.loss for row in history.rows] == [row.loss for row in known.rows]
    assert [each.gradient_norm for each in history.norms] == [each.gradient_norm for each in known.norms]
    assert stand_in.recorded == 1
    assert stand_in.replayed == (3 if values.get("train.gradient_accumulation") else 4)
    with plain.as_saved(), ours.as_saved():
        assert are_equal(weights_of(plain), weights_of(ours))


def test_masks_weights_and_kept_captions_are_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"crop.mask": "alpha", "network.text_encoder": False}
    plain, (ours, stand_in) = made({}, values), graphed(monkeypatch, {}, values)

    def batches(module: Denoising) -> Any:
        generator = torch.Generator().manual_seed(3)
        for each in batches_of(module.base, 4):
            with torch.no_grad():
                known = module.base.family.encode(module.base, each.ids, 1)
            mask, weight = torch.rand(2, 1, 8, 8, generator=generator), torch.rand(2, generator=generator)
            yield replace(each, mask=mask, weight=weight, conditioning=known)

    stepped(plain, list(batches(plain)))
    stepped(ours, list(batches(ours)))
    assert stand_in.replayed == 3
    assert are_equal(weights_of(plain), weights_of(ours))


def test_each_shape_has_its_recording_and_rare_ones_none(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, (ours, stand_in) = made({}, {}), graphed(monkeypatch, {}, {})

    def batches(module: Denoising) -> list[Any]:
        small, large, once = (batches_of(module.base, n, side) for n, side in ((3, 8), (3, 16), (1, 24)))
        mixed = [each for pair in zip(small, large, strict=True) for each in pair] + once
        return [replace(each, step=step) for step, each in enumerate(mixed)]

    stepped(plain, batches(plain))
    stepped(ours, batches(ours))
    assert (stand_in.recorded, stand_in.replayed) == (2, 4)
    assert are_equal(weights_of(plain), weights_of(ours))


def test_beyond_the_most_it_steps_without_and_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    weight = nn.Parameter(torch.ones(()))

    def work(inputs: dict[str, Tensor], window: Tensor) -> Tensor:
        loss = weight * inputs["noisy"].sum() * window
        loss.backward()
        return loss.detach()

    recorded: list[Any] = []

    def capture(each: Callable[[], Tensor]) -> Callable[[], Tensor]:
        recorded.append(each)
        return each

    step = GraphedStep(work, [weight], capture, most=1)
    for _ in range(3):
        for length in (2, 3, 4):
            assert step({"noisy": torch.ones(length)}, 0.5, begins=True) == length / 2
            assert weight.grad == length / 2
    assert len(recorded) == 1
    assert capsys.readouterr().err.count("1 shapes of batches are recorded, the others step without") == 1


def test_without_a_card_it_says_so_and_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert capture_for(torch.device("cpu")) is None
    assert "train.cuda_graph needs a CUDA card" in capsys.readouterr().err
    plain, ours = made({}, {}), made({}, GRAPH)
    stepped(plain, batches_of(plain.base))
    stepped(ours, batches_of(ours.base))
    assert are_equal(weights_of(plain), weights_of(ours))


def test_a_recording_does_not_keep_the_weights_in_16_bits_of_the_steps_before_it() -> None:
    """Within one autocast context, as when a recording follows its warm-up steps."""
    module = made({}, {"train.precision": "bf16", **GRAPH})
    module.trainer = lightning.Trainer(logger=False, enable_progress_bar=False, accelerator="cpu")
    module.prepare()
    (batch, *_) = batches_of(module.base, 1)
    inputs = {**module.inputs_of(batch), "weight": batch.weight}
    with module.network.attached(module.base), torch.autocast("cpu", torch.bfloat16):
        before = module._forward_and_backward(inputs, torch.ones(()))
        with torch.no_grad():
            for weight in module.network.parameters():
                weight.add_(0.5)
        after = module._forward_and_backward(inputs, torch.ones(()))
    with module.network.attached(module.base), torch.autocast("cpu", torch.bfloat16):
        alone = module._forward_and_backward(inputs, torch.ones(()))
    assert after == alone
    assert after != before
