from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lycoris.functional import factorization as lycoris_factorization
from lycoris.modules.lokr import LokrModule
from peft import LoKrConfig
from peft.tuners.lokr.layer import Conv2d as PeftConv2d
from peft.tuners.lokr.layer import Linear as PeftLinear
from torch import nn

from pipeline.networks.algorithms.lokr import Lokr, factorization
from tests.pipeline.networks.examples import (
    LAYERS,
    conv,
    filled,
    input_for,
    linear,
    merged,
    relative,
    settings,
    silenced,
    weight_of,
)

# 24 x 20 splits into (4, 6) x (4, 5): a dim of 3 makes the large matrix full.
FORMS: dict[str, tuple[int, dict[str, Any]]] = {
    "low rank": (2, {}),
    "full": (3, {}),
    "both low rank": (1, {"decompose_both": True}),
    "factor 2": (2, {"factor": 2}),
    "asked full": (1, {"full_matrix": True}),
    "tucker": (2, {"tucker": True}),
}


def made(target: nn.Module, form: str) -> Lokr:
    dim, changes = FORMS[form]
    adapter = filled(Lokr.from_config(target, settings("lokr", dim, 3.0, **changes)))
    assert isinstance(adapter, Lokr)
    return adapter


def test_hand_worked_delta() -> None:
    target = nn.Linear(4, 4)
    adapter = Lokr(target, {"lokr_w1": (2, 2), "lokr_w2": (2, 2)}, None)
    adapter.lokr_w1.data = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    adapter.lokr_w2.data = torch.tensor([[1.0, 1.0], [0.0, 5.0]])
    assert adapter.delta(target.weight).tolist() == [[1, 1, 2, 2], [0, 5, 0, 10], [0, 0, 3, 3], [0, 0, 0, 15]]


def test_hand_worked_factors() -> None:
    assert factorization(320, -1) == (16, 20)
    assert factorization(768, -1) == (24, 32)
    assert factorization(320, 8) == (8, 40)
    assert factorization(250, 4) == (2, 125)
    assert factorization(127, -1) == (1, 127)


@given(side=st.integers(1, 3000), factor=st.integers(1, 64) | st.just(-1))
def test_lycoris_splits_the_same(side: int, factor: int) -> None:
    assert factorization(side, factor) == lycoris_factorization(side, factor)


def test_what_is_full_and_the_scale_then() -> None:
    full, low = made(linear(), "full"), made(linear(), "low rank")
    assert {name for name, _ in full.named_parameters()} == {"lokr_w1", "lokr_w2"}
    assert (full.scale, float(full.get_buffer("alpha"))) == (1.0, 3.0)
    assert {name for name, _ in low.named_parameters()} == {"lokr_w1", "lokr_w2_a", "lokr_w2_b"}
    assert low.scale == 1.5
    both = made(linear(), "both low rank")
    assert both.lokr_w1_a.shape == (4, 1)
    assert both.scale == 3.0


def test_training_starts_from_the_base() -> None:
    for dim in (2, 3):
        target = linear()
        adapter = Lokr.from_config(target, settings("lokr", dim))
        assert not adapter.delta(target.weight).any()
        assert adapter.get_parameter("lokr_w1").any()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_the_forward_pass_equals_the_merged_weight(layer: str, form: str, strength: float) -> None:
    target = LAYERS[layer]()
    adapter, x = made(target, form), input_for(target)
    adapter.network_weight = strength
    for frozen in (target.forward, target):
        assert relative(adapter.answer(x, frozen), merged(adapter, x, strength)) < 1e-5


def test_narrow_layers_run_with_the_weight_and_wide_ones_with_the_factors() -> None:
    for side, in_one in ((64, True), (640, False)):
        adapter = Lokr.from_config(nn.Linear(side, side), settings("lokr", 64))
        assert adapter.in_one(torch.zeros(1, 1, side)) == in_one


@pytest.mark.parametrize("layer", ["linear", "1x1", "3x3"])
@pytest.mark.parametrize("form", FORMS)
def test_lycoris_agrees(layer: str, form: str) -> None:
    target = LAYERS[layer]()
    adapter = made(target, form)
    dim, changes = FORMS[form]
    arguments = {"use_tucker" if key == "tucker" else key: value for key, value in changes.items()}
    theirs = LokrModule("x", silenced(target), multiplier=1.0, lora_dim=dim, alpha=3.0, **arguments)
    theirs.load_state_dict(adapter.state_dict(), strict=False)
    assert theirs.custom_state_dict().keys() == adapter.state_dict().keys()
    assert float(theirs.alpha) == float(adapter.get_buffer("alpha"))
    assert relative(adapter.delta(target.weight), weight_of(theirs, target)) < 1e-6


@pytest.mark.parametrize("layer", ["linear", "1x1", "3x3"])
@pytest.mark.parametrize("form", ["low rank", "both low rank"])
def test_peft_agrees(layer: str, form: str) -> None:
    target = LAYERS[layer]()
    adapter = made(target, form)
    dim, changes = FORMS[form]
    kind = PeftLinear if isinstance(target, nn.Linear) else PeftConv2d
    theirs = kind(target, "a", config=LoKrConfig(r=dim, alpha=3, **changes), r=dim, alpha=3.0, **changes)
    for name, parameter in adapter.named_parameters():
        getattr(theirs, name)["a"].data = parameter.data
    assert relative(adapter.delta(target.weight), theirs.get_delta_weight("a")) < 1e-6


@pytest.mark.parametrize("form", FORMS)
def test_weights_of_a_file_come_back(form: str) -> None:
    target = conv()
    adapter = made(target, form)
    found = Lokr.from_weights(target, adapter.state_dict())
    assert torch.equal(found.delta(target.weight), adapter.delta(target.weight))
    assert float(found.get_buffer("alpha")) == float(adapter.get_buffer("alpha"))
