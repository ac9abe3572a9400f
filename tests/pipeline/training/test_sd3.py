"""Training steps of SD 3: texts with T5, encoders dropped one by one, blocks that are run again or wait."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.conditioning import Conditioning
from pipeline.bases.tokens import token_ids
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.networks.network import AdapterNetwork
from pipeline.schemas import AdapterNetworkConfig
from pipeline.training import module as training_module
from pipeline.training.data import Batch
from pipeline.training.module import Denoising
from pipeline.training.offload import chosen_blocks
from tests.pipeline.bases.tiny import small_base
from tests.pipeline.training.stepped import stepped, weights_of
from tests.pipeline.training.test_offload import StandIn

pytestmark = pytest.mark.usefixtures("root")
CAPTIONS = ["a cat", "girl with red hair", ""]


def module_of(base: Base, **values: Any) -> Denoising:
    named = {key.replace("__", "."): value for key, value in values.items()}
    config = check(
        compose(Params({}, {"network.dim": 2, "network.alpha": 2.0, "train.clip_norm": 0.0, **named}))
    )
    assert isinstance(config.network, AdapterNetworkConfig)
    return Denoising(base, AdapterNetwork.create(config.network, base, 0), config, total_steps=10)


def batch_of(base: Base, step: int = 0) -> Batch:
    mean = torch.randn((3, 16, 8, 8), generator=torch.Generator().manual_seed(9 + step))
    further = base.t5_tokenizer.ids(CAPTIONS) if base.t5_tokenizer else None
    ids = token_ids(base.tokenizer, CAPTIONS)
    return Batch(mean, 0 * mean, ids, torch.ones(3), step, further_ids=further)


def test_kept_outputs_give_the_losses_of_live_encoders() -> None:
    base = small_base("sd3", with_t5=True)
    module, batch = module_of(base), batch_of(base)
    live = module.picture_losses(batch)
    assert batch.further_ids is not None
    batch.conditioning = base.family.encode_texts(base, batch.ids, 1, batch.further_ids)
    assert torch.equal(module.picture_losses(batch), live)
    batch.conditioning = Conditioning(batch.conditioning.tokens, batch.conditioning.pooled)
    assert not torch.allclose(module.picture_losses(batch), live)


def test_zeros_in_place_of_some_encoders() -> None:
    """Two pictures: the first without CLIP-L, the second without CLIP-G and T5."""
    whole = Conditioning(torch.ones(2, 3, 5), torch.ones(2, 5), further=torch.ones(2, 4, 6))
    found = whole.of_encoders(torch.tensor([[0.0, 1, 1], [1, 0, 0]]), [2, 3], [2, 3])
    assert found.pooled is not None
    assert found.further is not None
    for rows in (found.pooled, found.tokens[:, 1]):
        assert rows.tolist() == [[0, 0, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert found.further.sum(dim=(1, 2)).tolist() == [24, 0]


def test_encoders_are_dropped_one_by_one_and_each_step_anew() -> None:
    base = small_base("sd3", with_t5=True)
    half = {f"train__text_encoder{n}_dropout": 0.5 for n in ("", "_2", "_3")}
    module, plain = module_of(base, **half), module_of(base)
    kept = [module.inputs_of(batch_of(base, step))["kept_encoders"] for step in range(40)]
    drawn = torch.cat(kept)
    assert drawn.shape == (120, 3)
    assert drawn.mean(dim=0).tolist() == pytest.approx([0.5] * 3, abs=0.15)
    assert len({tuple(row) for row in drawn.tolist()}) == 8
    assert "kept_encoders" not in plain.inputs_of(batch_of(base))
    for name in ("noise", "levels"):
        assert torch.equal(module.inputs_of(batch_of(base))[name], plain.inputs_of(batch_of(base))[name])


def test_a_dropped_t5_is_zeros_in_its_place() -> None:
    base = small_base("sd3", with_t5=True)
    module, batch = module_of(base, train__text_encoder_3_dropout=1.0), batch_of(base)
    without = module_of(base)
    assert batch.further_ids is not None
    known = base.family.encode_texts(base, batch.ids, 1, batch.further_ids)
    assert known.further is not None
    zeros = Conditioning(known.tokens, known.pooled, further=torch.zeros_like(known.further))
    expected = without.losses_of({**without.inputs_of(batch_of_known(batch, zeros))})
    assert torch.equal(module.picture_losses(batch), expected)


def batch_of_known(batch: Batch, known: Conditioning) -> Batch:
    return Batch(batch.mean, batch.std, batch.ids, batch.weight, batch.step, conditioning=known)


def test_blocks_that_wait_outside_learn_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpointing runs each joint block again; two at most are on the device."""
    monkeypatch.setattr(training_module, "Offload", StandIn)
    StandIn.most = 0
    StandIn.made.clear()
    found: list[list[Tensor]] = []
    for values in ({}, {"train__gradient_checkpointing": True, "train__offload": 1.0}):
        module = module_of(small_base("sd3"), optimizer__lr=1e-3, **values)
        stepped(module, [batch_of(module.base, step) for step in range(2)])
        found.append(weights_of(module))
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(*found, strict=True))
    assert StandIn.most == 2
    assert set(StandIn.made[0].runs.values()) == {2 * 2}
    denoiser = small_base("sd3").denoiser
    assert len(chosen_blocks(denoiser, 1.0, ("JointTransformerBlock",))) == 3
