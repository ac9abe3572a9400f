from typing import Any

import pytest
import torch
from torch.nn import functional as F

from pipeline.base.conditioning import encode, token_ids
from pipeline.base.load import BaseModel
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.config.schemas import Config
from pipeline.networks.network import Network
from pipeline.training.data import Batch
from pipeline.training.module import Denoising
from tests.pipeline.base.random_sd1 import random_base


@pytest.fixture
def base() -> BaseModel:
    return random_base()


def settings(**values: Any) -> Config:
    plain = {"network.dim": 2, "network.alpha": 2.0}
    return check(compose(Params({}, {**plain, **{key.replace("__", "."): v for key, v in values.items()}})))


def module_of(base: BaseModel, config: Config) -> Denoising:
    network = Network.create(config.network, base, seed=0)
    return Denoising(base, network, config, total_steps=10)


def batch_of(base: BaseModel, step: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(9)
    mean = torch.randn((2, 4, 8, 8), generator=generator)
    return Batch(mean, torch.zeros_like(mean), token_ids(base.tokenizer, ["a cat", ""]), torch.ones(2), step)


@pytest.mark.usefixtures("root")
def test_the_loss_is_the_plain_squared_error_of_the_noise(base: BaseModel) -> None:
    config = settings(seed=3)
    module, batch = module_of(base, config), batch_of(base, step=4)
    generator = torch.Generator().manual_seed(3 * 1_000_003 + 4)
    torch.randn(batch.mean.shape, generator=generator)
    noise = torch.randn(batch.mean.shape, generator=generator)
    timesteps = torch.randint(0, 1000, (2,), generator=generator)
    alpha = module.alphas[timesteps].view(-1, 1, 1, 1)
    noisy = alpha.sqrt() * batch.mean + (1 - alpha).sqrt() * noise
    answer = base.unet(noisy, timesteps, encode(base.text_encoder, batch.ids, 1)).sample
    wanted = [F.mse_loss(answer[n], noise[n]).item() for n in range(2)]
    assert module.picture_losses(batch).tolist() == pytest.approx(wanted, rel=1e-6)


@pytest.mark.usefixtures("root")
def test_a_steps_noise_follows_from_seed_and_step_alone(base: BaseModel) -> None:
    module = module_of(base, settings())
    first = module.picture_losses(batch_of(base, 1))
    torch.manual_seed(77)
    assert torch.equal(module.picture_losses(batch_of(base, 1)), first)
    assert not torch.equal(module.picture_losses(batch_of(base, 2)), first)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("clip_skip", [1, 2])
def test_clip_skip_takes_the_layer_and_norms_it(base: BaseModel, clip_skip: int) -> None:
    ids = token_ids(base.tokenizer, ["a cat"])
    states = base.text_encoder(ids, output_hidden_states=True).hidden_states
    inner = getattr(base.text_encoder, "text_model", base.text_encoder)
    wanted = inner.final_layer_norm(states[-clip_skip])
    assert torch.allclose(encode(base.text_encoder, ids, clip_skip), wanted, atol=1e-6)


@pytest.mark.usefixtures("root")
def test_each_part_has_its_own_rate_and_only_the_network_learns(base: BaseModel) -> None:
    module = module_of(base, settings(optimizer__lr=1e-3, optimizer__text_encoder_lr=1e-5))
    options = module.configure_optimizers()
    assert isinstance(options, dict)
    groups = options["optimizer"].param_groups
    assert {group["name"]: group["initial_lr"] for group in groups} == {"unet": 1e-3, "text_encoder": 1e-5}
    learning = sum(p.numel() for group in groups for p in group["params"])
    assert learning == sum(p.numel() for p in module.parameters())
