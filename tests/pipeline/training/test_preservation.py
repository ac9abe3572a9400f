"""Preservation without pictures: its loss and gradients are those of a plain calculation."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.bases.base import Base
from pipeline.bases.conditioning import Conditioning
from pipeline.bases.tokens import token_ids
from pipeline.networks.network import AdapterNetwork
from pipeline.training import module as training_module
from pipeline.training.data import Batch
from pipeline.training.module import Denoising
from pipeline.training.planning.cost import step_cost
from pipeline.training.preservation import TIMES_THE_OPERATIONS
from tests.pipeline.bases.tiny import small_base
from tests.pipeline.training.stepped import are_equal, batches_of, made, stepped, weights_of
from tests.pipeline.training.test_offload import StandIn
from tests.pipeline.training.test_sd3 import batch_of, module_of

pytestmark = pytest.mark.usefixtures("root")
PRESERVED = {"train.preservation": "prior", "train.preservation_class": "dog"}


def with_class(batch: Batch, base: Base) -> Batch:
    return replace(batch, class_ids=token_ids(base.tokenizer, ["a dog", "a dog, red"]))


def learned(module: Denoising) -> Denoising:
    """Not at its start, where it answers as the base."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in module.network.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    return module


def preserving(use: dict[str, str] | None = None, **values: Any) -> Denoising:
    changes = {**PRESERVED, **{key.replace("__", "."): value for key, value in values.items()}}
    return learned(made(use or {}, changes))


def answers(module: Denoising, batch: Batch, ids: Tensor) -> tuple[Tensor, Tensor]:
    """The denoiser's answer and the noise, worked out from the step's seed."""
    base, seed = module.base, module.settings.seed * 1_000_003 + batch.step
    generator = torch.Generator().manual_seed(seed)
    latents = batch.mean + batch.std * torch.randn(batch.mean.shape, generator=generator)
    noise = torch.randn(batch.mean.shape, generator=generator)
    levels = torch.randint(0, 1000, (2,), generator=generator)
    alpha = module.objective.alphas[levels].view(-1, 1, 1, 1)  # type: ignore[index]
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    tokens = base.family.encode(base, ids, 1).tokens
    return base.denoiser(noisy, levels, tokens).sample, noise


@pytest.mark.parametrize("algorithm", ["lora", "loha", "ia3"])
def test_a_steps_loss_and_gradients_by_hand(algorithm: str) -> None:
    module = preserving({"network": algorithm}, train__preservation_weight=0.7)
    batch = with_class(batches_of(module.base, 2)[1], module.base)
    assert batch.class_ids is not None
    with torch.no_grad():
        base_alone, _ = answers(module, batch, batch.class_ids)
    weights = list(module.network.parameters())
    with module.network.attached(module.base):
        answer, noise = answers(module, batch, batch.ids)
        of_class, _ = answers(module, batch, batch.class_ids)
        by_hand = F.mse_loss(answer, noise) + 0.7 * F.mse_loss(of_class, base_alone)
        gradients = torch.autograd.grad(by_hand, weights, allow_unused=True)
        loss = module.picture_losses(batch).mean()
        ours = torch.autograd.grad(loss, weights, allow_unused=True)
    assert F.mse_loss(of_class, base_alone) > 1e-6  # the network has moved
    # The same products in the same order; only the loss is summed in another.
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-5)
    for one, other in zip(ours, gradients, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert torch.allclose(one, other, rtol=1e-3, atol=1e-5 * float(other.abs().max()))


def test_a_new_network_answers_as_its_base() -> None:
    plain, module = made({}, {}), made({}, PRESERVED)
    batch = batches_of(plain.base, 1)[0]
    with plain.network.attached(plain.base):
        known = plain.picture_losses(batch)
    with module.network.attached(module.base):
        found = module.picture_losses(with_class(batch, module.base))
    assert torch.equal(known, found)


def test_a_network_that_is_switched_off_leaves_the_base() -> None:
    module = preserving()
    assert isinstance(module.network, AdapterNetwork)
    batch = batches_of(module.base, 1)[0]
    alone, _ = answers(module, batch, batch.ids)
    with module.network.attached(module.base):
        with module.network.switched_off():
            off, _ = answers(module, batch, batch.ids)
        on, _ = answers(module, batch, batch.ids)
    assert torch.equal(alone, off)
    assert not torch.equal(alone, on)


@pytest.mark.parametrize("loss", [{"noise.loss": "huber"}, {"noise.min_snr_gamma": 5.0}])
def test_the_noise_levels_weigh_it_as_they_weigh_the_step(loss: dict[str, Any]) -> None:
    """A step whose own captions are the class's: its two errors have one form."""
    module = learned(made({}, {**PRESERVED, **loss}))
    batch = batches_of(module.base, 1)[0]
    with module.network.attached(module.base):
        own = module.picture_losses(batch)
        inputs = module.inputs_of(replace(batch, class_ids=batch.ids), slice(None))
        both = module.losses_of(inputs)
    levels, objective = inputs["levels"], module.objective
    base_alone, _ = answers(module, batch, batch.ids)
    with module.network.attached(module.base):
        on, _ = answers(module, batch, batch.ids)
    expected = objective.point_losses(on, base_alone, levels).mean(dim=(1, 2, 3))
    weights = objective.weights(levels)
    expected = expected if weights is None else expected * weights
    assert (both - own).tolist() == pytest.approx(expected.tolist(), rel=1e-3)  # of a difference


def test_masks_do_not_count() -> None:
    module = preserving()
    batch = with_class(batches_of(module.base, 1)[0], module.base)
    masked = replace(batch, mask=torch.zeros(2, 1, 8, 8))
    with module.network.attached(module.base):
        own = module.picture_losses(replace(batch, class_ids=None))
        whole, held = module.picture_losses(batch), module.picture_losses(masked)
    assert held.tolist() == pytest.approx((whole - own).tolist(), rel=1e-4)
    assert (held > 0).all()


def test_it_slows_what_class_captions_learn() -> None:
    """Held to the base for its own captions, at a weight far above 1, a network hardly moves."""
    use, sgd = {"optimizer": "sgd"}, {"optimizer.lr": 0.01, "optimizer.text_encoder_lr": 0.01}
    free, held = made(use, sgd), made(use, {**sgd, **PRESERVED, "train.preservation_weight": 30.0})
    start = weights_of(free)
    stepped(free, [*batches_of(free.base, 6)])
    stepped(held, [replace(each, class_ids=each.ids) for each in batches_of(held.base, 6)])
    moved = [
        sum(float((now - was).square().sum()) for now, was in zip(weights_of(each), start, strict=True))
        for each in (held, free)
    ]
    assert moved[0] < moved[1]


def test_rows_of_a_device_are_those_of_the_batch() -> None:
    module = preserving()
    batch = with_class(batches_of(module.base, 1)[0], module.base)
    with module.network.attached(module.base):
        whole = module.picture_losses(batch)
        assert module.picture_losses(batch, slice(1, 2)).tolist() == pytest.approx(
            [whole[1].item()], rel=1e-5
        )


def test_gradient_checkpointing_and_offloading_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_module, "Offload", StandIn)
    StandIn.most = 0
    StandIn.made.clear()
    losses = []
    for values in ({}, {"train.gradient_checkpointing": True, "train.offload": 1.0}):
        module = learned(made({}, {**PRESERVED, **values}))
        batches = [with_class(each, module.base) for each in batches_of(module.base)]
        _, history = stepped(module, batches)
        losses.append(([row.loss for row in history.rows], weights_of(module)))
    assert losses[0][0] == losses[1][0]
    assert are_equal(losses[0][1], losses[1][1])
    assert StandIn.most == 2  # two blocks on the device, in three passes as in one


def test_kept_outputs_of_all_encoders_give_the_losses_of_live_ones() -> None:
    """SD 3: two CLIPs, pooled outputs and T5."""
    base = small_base("sd3", with_t5=True)
    only: dict[str, Any] = {"network__text_encoder": False, "optimizer__text_encoder_lr": 0.0}
    module = learned(module_of(base, **only, train__preservation="prior", train__preservation_class="dog"))
    texts = ["a dog", "dog", "dog, red hair"]
    assert base.t5_tokenizer is not None
    live = replace(
        batch_of(base), class_ids=token_ids(base.tokenizer, texts),
        class_further_ids=base.t5_tokenizer.ids(texts),
    )  # fmt: skip
    for part in base.text_models:
        part.requires_grad_(False)
    assert live.class_ids is not None
    known = base.family.encode_texts(base, live.class_ids, 1, live.class_further_ids)
    kept = replace(batch_of(base), class_conditioning=known)
    without_t5 = replace(kept, class_conditioning=Conditioning(known.tokens, known.pooled))
    with module.network.attached(base), torch.no_grad():
        assert torch.equal(module.picture_losses(live), module.picture_losses(kept))
        assert not torch.allclose(module.picture_losses(kept), module.picture_losses(without_t5))


def test_the_plan_counts_the_further_passes() -> None:
    module = preserving()
    module.prepare()
    batch = batches_of(module.base, 1)[0]
    with module.network.attached(module.base):
        plain, held = step_cost(module, batch), step_cost(module, with_class(batch, module.base))
    # Products with frozen weights need no gradient of the weight, so that a pass with gradients is two, not
    # three: 5 / 2 at most.
    assert 2.2 < held.operations / plain.operations < 2.55
    assert pytest.approx(held.operations / plain.operations, rel=0.1) == TIMES_THE_OPERATIONS
    assert 1.5 < held.picture_bytes / plain.picture_bytes < 2.2
