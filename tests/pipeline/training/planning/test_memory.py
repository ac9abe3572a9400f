"""The presets for a card: a base of real size fits by the plan, and what a subject's preset teaches stays.
Weights are never written, so that they take no memory here.
"""

import pytest
import torch

from pipeline.bases.outline import outline
from pipeline.bases.registry import family
from pipeline.config.check import check
from pipeline.config.compose import Params, compose, options
from pipeline.networks.network import AdapterNetwork
from pipeline.schemas import AdapterNetworkConfig, Config
from pipeline.training.data import Batch
from pipeline.training.module import Denoising
from pipeline.training.planning.cost import Cost, step_cost

pytestmark = pytest.mark.usefixtures("root")
CARDS = {name: int(name.removesuffix("gb")) for name in options("memory")}
KINDS = {"sd1": ("character", "sd15"), "sdxl": ("sdxl_character", "sdxl")}
"""A preset for a subject and a base, by family."""
SHARE = 0.9
"""Of a card's memory that is free for training; the plan's own figure."""


def composed(family_name: str, card: str, **train: str) -> Config:
    experiment, base = KINDS[family_name]
    use = {"base": base, "experiment": experiment, "memory": card}
    return check(compose(Params(use, {f"train.{key}": value for key, value in train.items()})))


def cost_of(family_name: str, config: Config) -> Cost:
    """Of a step on an empty base of the published size."""
    base = outline(family(family_name), {}, "test")
    for part in base.trained_parts().values():
        part.to(torch.bfloat16).to_empty(device="cpu").requires_grad_(False)
    assert isinstance(config.network, AdapterNetworkConfig)
    module = Denoising(base, AdapterNetwork.create(config.network, base, seed=0), config, total_steps=10)
    module.prepare()
    side, number = config.crop.resolution // 8, config.train.batch
    mean = torch.zeros(number, 4, side, side)
    ids = torch.full((number, 77), base.end_token)
    batch = Batch(mean, mean, ids, torch.ones(number), 0, sizes=torch.zeros(number, 6))
    with module.network.attached(base):
        return step_cost(module, batch)


def largest_batch(family_name: str, card: str) -> int:
    """The most pictures a step that the plan finds room for."""
    cost = cost_of(family_name, composed(family_name, card))
    return cost.largest_batch(round(CARDS[card] * 2**30 * SHARE))


@pytest.mark.parametrize(("card", "pictures"), [("6gb", 14), ("24gb", 20)])
def test_the_plan_of_sd1_fits(card: str, pictures: int) -> None:
    assert largest_batch("sd1", card) == pytest.approx(pictures, abs=1)


@pytest.mark.large
@pytest.mark.parametrize(("card", "pictures"), [("8gb", 2), ("12gb", 7), ("16gb", 1), ("24gb", 2)])
def test_the_plan_of_sdxl_fits(card: str, pictures: int) -> None:
    """A minute or two each."""
    assert largest_batch("sdxl", card) == pictures


def test_a_base_in_eight_bits_is_held_in_half_the_bytes() -> None:
    """SD 1.x has 859,520,964 weights in its U-Net, 123,060,480 in its text encoder. All but 5 % of them (38
    million in token vectors) take one byte in place of two.
    """
    same, eight = (cost_of("sd1", composed("sd1", "6gb", base_precision=each)) for each in ("same", "int8"))
    saved = (same.fixed_bytes - eight.fixed_bytes) / (859_520_964 + 123_060_480)
    assert 0.95 < saved < 1
    assert eight.picture_bytes <= same.picture_bytes


@pytest.mark.large
def test_sdxl_in_eight_bits_fits_into_six_gigabytes() -> None:
    assert cost_of("sdxl", composed("sdxl", "6gb", base_precision="int8")).bytes < 3.6 * 2**30


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("family_name", KINDS)
def test_what_is_learned_stays(family_name: str, card: str) -> None:
    """Only memory and arithmetic change: not the rate, the length, the updates, the network's size."""
    experiment, base = KINDS[family_name]
    plain = check(compose(Params({"base": base, "experiment": experiment}, {})))
    config = composed(family_name, card)
    assert config.optimizer.lr == plain.optimizer.lr
    assert isinstance(config.network, AdapterNetworkConfig)
    assert isinstance(plain.network, AdapterNetworkConfig)
    assert config.network.dim == plain.network.dim
    for key in ("epochs", "batch", "gradient_accumulation", "keep_tokens"):
        assert getattr(config.train, key) == getattr(plain.train, key)
    assert (config.schedule, config.noise, config.collect) == (plain.schedule, plain.noise, plain.collect)


def test_a_choice_in_params_goes_before_the_cards() -> None:
    use = {"memory": "8gb", "experiment": "sdxl_character"}
    assert check(compose(Params(use, {}))).optimizer.name == "adamw8bit"
    config = check(compose(Params({**use, "optimizer": "lion"}, {"train.precision": "fp16"})))
    assert (config.optimizer.name, config.train.precision) == ("lion", "fp16")


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_card_goes_with_every_subject(experiment: str, card: str) -> None:
    check(compose(Params({"experiment": experiment, "memory": card}, {})))
