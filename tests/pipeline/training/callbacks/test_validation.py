from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from pipeline.bases.base import Base
from pipeline.bases.tokens import token_ids
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.files.safetensors_file import write_safetensors
from pipeline.networks.families import create
from pipeline.objectives.diffusion import Diffusion
from pipeline.training.callbacks.validation import chosen, fixed_noise, losses, samples
from pipeline.training.data import EncodedData, Picture
from pipeline.training.epoch_order import EpochPicture
from pipeline.training.module import Denoising
from tests.pipeline.bases.random_sd1 import random_base

pytestmark = pytest.mark.usefixtures("root")


def picture(name: str, caption: str = "", bucket: tuple[int, int] = (64, 64)) -> Picture:
    return Picture(name, "a", caption, None, EpochPicture(1, False, bucket))


PICTURES = [picture("a/1", "a cat"), picture("a/2", "a dog"), picture("a/3", "a dog", (128, 64))]


def module_and_data(base: Base, folder: Path, **settings: Any) -> tuple[Denoising, EncodedData]:
    config = check(compose(Params({}, {"network.dim": 2, "network.alpha": 2.0, **settings})))
    latents = {
        each.id: torch.randn((8, each.shown.bucket[1] // 8, each.shown.bucket[0] // 8)) for each in PICTURES
    }
    write_safetensors(folder / "latents.safetensors", latents, {})
    module = Denoising(base, create(config.network, base, 0), config, 10)
    return module, EncodedData(folder, PICTURES, base.tokenizer, config.train, config.seed)


def test_the_loss_is_the_plain_error_on_noise_of_the_pictures_name(tmp_path: Path) -> None:
    base = random_base()
    module, data = module_and_data(base, tmp_path)
    (sample,) = samples(PICTURES[:1], [400])
    from safetensors.torch import load_file

    latents = load_file(tmp_path / "latents.safetensors")["a/1"][None, :4]
    noise = fixed_noise(sample, latents.shape[1:])[None]
    assert isinstance(module.objective, Diffusion)
    alpha = module.objective.alphas[400]
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    with torch.no_grad():
        context = base.family.encode(base, token_ids(base.tokenizer, ["a cat"]), 1).tokens
        answer = base.denoiser(noisy, torch.tensor([400]), context).sample
    wanted = F.mse_loss(answer, noise).item()
    assert losses(module, data, [sample], 4) == {400: pytest.approx(wanted, rel=1e-5)}


def test_neither_seed_nor_batch_nor_what_was_drawn_before_matters(tmp_path: Path) -> None:
    base = random_base()
    module, data = module_and_data(base, tmp_path)
    wanted = samples(PICTURES, [100, 900])
    first = losses(module, data, wanted, 1)
    assert list(first) == [100, 900]
    assert module.training
    torch.manual_seed(5)
    other = Denoising(base, module.network, module.settings.model_copy(update={"seed": 9}), 10)
    for timestep, loss in losses(other, data, wanted, 8).items():
        assert loss == pytest.approx(first[timestep], rel=1e-5)


def test_swapped_samples_carry_another_pictures_caption() -> None:
    own, other = samples(PICTURES, [1, 2]), samples(PICTURES, [1, 2], swapped=True)
    assert [each.caption for each in own] == ["a cat", "a dog", "a dog"] * 2
    assert [each.caption for each in other] == ["a dog", "a cat", "a cat"] * 2
    assert samples(PICTURES[1:], [1], swapped=True) == []


def test_the_measured_pictures_are_spread_and_no_class_pictures() -> None:
    many = [picture(str(n)) for n in range(10)]
    regular = Picture("class/0", "class", "", None, EpochPicture(1, True, (64, 64)))
    assert [each.id for each in chosen([*many, regular], 4)] == ["0", "2", "5", "7"]
    assert chosen([*many[:2], regular], 4) == many[:2]
    assert chosen(many, 0) == []


def test_of_a_masked_picture_what_counts_is_measured(tmp_path: Path) -> None:
    module, data = module_and_data(random_base(), tmp_path)
    wanted = samples(PICTURES[:1], [400])
    whole = losses(module, data, wanted, 4)[400]
    left = torch.zeros(1, 8, 8)
    left[..., :4] = 1
    halves = []
    for mask in (left, 1 - left):
        write_safetensors(tmp_path / "masks.safetensors", {"a/1": mask}, {})
        halves.append(losses(module, data, wanted, 4)[400])
    assert sum(halves) / 2 == pytest.approx(whole, rel=1e-5)
    assert halves[0] != pytest.approx(whole, rel=1e-5)
