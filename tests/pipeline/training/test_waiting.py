"""Nothing in a step waits for the device: the program may run ahead of a card and fill its queue."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from pipeline.training.module import Denoising
from tests.pipeline.training.stepped import batches_of, made, stepped
from tests.pipeline.training.waiting import EndOfWaits, Waits

pytestmark = pytest.mark.usefixtures("root")
EVERY_NOISE = {
    "noise.offset": 0.1, "noise.offset_random_strength": True, "noise.offset_adaptive": 0.1,
    "noise.perturbation": 0.1, "noise.pyramid_iterations": 3, "noise.min_snr_gamma": 5.0,
    "noise.loss": "huber", "noise.huber_schedule": "snr",
    "noise.timestep_distribution": "logit_normal",
}  # fmt: skip
FULL = {"optimizer.lr": 1e-5, "optimizer.text_encoder_lr": 1e-5}


def waits_of(use: dict[str, str], values: dict[str, Any], masked: bool = False) -> dict[str, int]:
    module, waits = made(use, values), Waits()
    batches = batches_of(module.base)
    if masked:
        batches = [replace(each, mask=torch.rand(2, 1, 8, 8)) for each in batches]
    stepped(module, batches, EndOfWaits(waits), first=waits)
    assert not waits._modes
    return dict(waits.found)


@pytest.mark.parametrize(
    ("use", "values"),
    [
        ({}, {"train.clip_norm": 1.0, "train.ema_decay": 0.9}),
        ({}, EVERY_NOISE),
        ({}, {"train.precision": "bf16", "train.gradient_checkpointing": True}),
        ({}, {"network.dropout": 0.1, "network.rank_dropout": 0.1, "network.max_norm": 0.01}),
        ({}, {"network.dora": True, "network.max_norm": 0.01}),
        ({"network": "loha"}, {}),
        ({"network": "lokr"}, {}),
        ({"network": "dylora"}, {}),
        ({"network": "ia3"}, {}),
        ({"network": "checkpoint"}, FULL),
        ({"network": "checkpoint", "optimizer": "sgd"}, {**FULL, "train.fused_backward": True}),
        ({"optimizer": "lion"}, {}),
        ({"optimizer": "adafactor"}, {}),
        ({}, {"train.precision": "bf16_full", "train.stochastic_rounding": True}),
    ],
    ids=lambda value: "-".join([*value, *map(str, value.values())])[:60],
)
def test_a_step_reads_nothing_from_the_device(use: dict[str, str], values: dict[str, Any]) -> None:
    assert waits_of(use, values) == {}


def test_nor_do_masks() -> None:
    values = {"crop.mask": "alpha", "train.normalize_masked_area": True, "train.unmasked_weight": 0.1}
    assert waits_of({}, values, masked=True) == {}


def test_what_waits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in itself: a number that is read, a mask, and copies that block."""
    plain = Denoising.picture_losses

    def reading(self: Denoising, batch: Any, rows: Any = slice(None)) -> Any:
        losses = plain(self, batch, rows)
        losses.sum().item()
        losses[losses > 0].cpu()
        return losses.to("cpu")

    monkeypatch.setattr(Denoising, "picture_losses", reading)
    found = waits_of({}, {})
    kinds = {each.partition(" ")[0] for each in found}
    assert kinds == {"_local_scalar_dense", "index", "cpu", "to"}
    assert set(found.values()) == {2}
