import copy
import warnings
from typing import Any

import pytest
import torch
from dadaptation import DAdaptAdam
from dadaptation.experimental import DAdaptAdamPreprint
from lion_pytorch import Lion
from torch import Tensor, nn

from pipeline.bases.parts import Part
from pipeline.errors import UserError
from pipeline.networks.trained import set_lr_factor
from pipeline.training.chained import ChainedOptimizer
from pipeline.training.optimizers import PATHS, make_optimizer, set_averaging
from tests.pipeline.bases.random_sd1 import TEXT_ENCODER, UNET
from tests.pipeline.training.settings import optimizer as settings

pytestmark = pytest.mark.usefixtures("root")
Parts = dict[Part, list[nn.Parameter]]
OWN_RATE = ("dadaptation", "dadaptation_preprint", "prodigy")


def parts(factor: float = 1.0) -> Parts:
    """Two parts that start alike and are pulled alike; `factor` is the text encoder's rate factor."""
    unet, text_encoder = (nn.Parameter(torch.full((4, 3), 2.0, dtype=torch.float64)) for _ in range(2))
    set_lr_factor(text_encoder, factor)
    return {UNET: [unet], TEXT_ENCODER: [text_encoder]}


def moved(optimizer: torch.optim.Optimizer, chosen: Parts, steps: int) -> list[float]:
    """How far each part came in so many steps towards 0."""
    set_averaging([optimizer], False)
    for _ in range(steps):
        for parameters in chosen.values():
            parameters[0].grad = parameters[0].detach().clone()
        optimizer.step()
    set_averaging([optimizer], True)
    return [2.0 - parameters[0].mean().item() for parameters in chosen.values()]


@pytest.mark.parametrize("name", PATHS)
def test_two_rates_are_two_with_every_one(name: str) -> None:
    """Half the rate moves half as far."""
    rate = 1.0 if name in OWN_RATE else 1e-5
    chosen = parts()
    config = settings(name, lr=rate, text_encoder_lr=rate / 2, weight_decay=0.0)
    made = make_optimizer(config, chosen)
    assert [(group["name"], group["lr"]) for group in made.param_groups] == [
        ("unet", rate),
        ("text_encoder", rate / 2),
    ]
    unet, text_encoder = moved(made, chosen, 1)
    assert unet > 0
    assert text_encoder / unet == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("name", PATHS)
def test_each_part_goes_as_if_it_were_alone_with_its_rate(name: str) -> None:
    rate = 1.0 if name in OWN_RATE else 1e-3
    config = settings(name, lr=rate, text_encoder_lr=rate / 2)
    both = parts()
    together = moved(make_optimizer(config, both), both, 20)
    alone = []
    for part, parameters in parts().items():
        one = {part: parameters}
        alone += moved(make_optimizer(config, one), one, 20)
    assert together == pytest.approx(alone, rel=1e-9)
    assert together[0] != pytest.approx(together[1], rel=0.05)


@pytest.mark.parametrize("name", PATHS)
def test_rate_factors_are_kept_with_every_one(name: str) -> None:
    rate = 1.0 if name in OWN_RATE else 1e-5
    chosen = parts(factor=4.0)
    config = settings(name, lr=rate, text_encoder_lr=rate, weight_decay=0.0)
    unet, text_encoder = moved(make_optimizer(config, chosen), chosen, 1)
    assert text_encoder / unet == pytest.approx(4.0, rel=1e-3)


@pytest.mark.parametrize("name", OWN_RATE)
def test_one_rate_is_found_for_all_where_the_factors_are_equal(name: str) -> None:
    made = make_optimizer(settings(name), parts())
    assert not isinstance(made, ChainedOptimizer)
    assert len(made.param_groups) == 2


@pytest.mark.parametrize("name", PATHS)
def test_a_scheduler_reaches_every_group_and_the_state_carries_over(name: str) -> None:
    """Three steps, saved after the second into a fresh copy: the third moves both alike, to the last bit."""
    rate = 1.0 if name in OWN_RATE else 1e-3

    def made(chosen: Parts) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
        optimizer = make_optimizer(settings(name, lr=rate, text_encoder_lr=rate / 2), chosen)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1))

    def step(optimizer: torch.optim.Optimizer, chosen: Parts, pull: float) -> None:
        for parameters in chosen.values():
            parameters[0].grad = torch.full_like(parameters[0], pull)
        optimizer.step()

    chosen = parts()
    optimizer, scheduler = made(chosen)
    set_averaging([optimizer], False)
    for pull in (1.0, -0.5):
        step(optimizer, chosen, pull)
        scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([rate / 3, rate / 6])
    again = copy.deepcopy(chosen)
    loaded, _ = made(again)
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(optimizer, chosen, 2.0)
    step(loaded, again, 2.0)
    for part, parameters in chosen.items():
        assert torch.equal(parameters[0], again[part][0])


def test_a_closure_is_called_once_by_several() -> None:
    chosen, calls = parts(), []
    made = make_optimizer(settings("prodigy", text_encoder_lr=0.5), chosen)
    assert isinstance(made, ChainedOptimizer)

    def closure() -> Tensor:
        calls.append(torch.is_grad_enabled())
        loss = sum(
            (parameters[0].square().sum() for parameters in chosen.values()),
            torch.zeros((), dtype=torch.float64),
        )
        loss.backward()
        return loss

    assert made.step(closure).item() == 96.0
    assert calls == [True]
    assert set(made.state) == {parameters[0] for parameters in chosen.values()}


def test_adamw8bit_without_cuda_is_adamw_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("here bitsandbytes would be used")
    assert type(make_optimizer(settings("adamw8bit"), parts())) is torch.optim.AdamW
    assert "warning: optimizer.name adamw8bit: there is no CUDA device" in capsys.readouterr().err


def test_lion_by_hand() -> None:
    """Momentum 0, pull 2: a step of the rate against its sign, after 2 (1 - 0.1 x 0.1) from the decay."""
    chosen = parts()
    made = make_optimizer(settings("lion", lr=0.1, text_encoder_lr=0.1, weight_decay=0.1), chosen)
    assert type(made) is Lion
    unet, _ = moved(made, chosen, 1)
    assert unet == pytest.approx(2 - (2 * 0.99 - 0.1))


def test_the_preprint_of_d_adaptation_is_another_algorithm_than_the_final_one() -> None:
    """sd-scripts' `DAdaptation` is DAdaptAdamPreprint; the same pulls move the weights elsewhere. Its first
    step by hand: d lr m / (sqrt(v) + eps), with m = 0.1 g, v = 0.001 g^2 and d 1e-6: 1e-7 / sqrt(0.001).
    """
    ends = {}
    kinds: dict[str, Any] = {"dadaptation": DAdaptAdam, "dadaptation_preprint": DAdaptAdamPreprint}
    for name, cls in kinds.items():
        chosen, same = parts(), parts()
        made = make_optimizer(settings(name, weight_decay=0.0), chosen)
        theirs = cls([each for some in same.values() for each in some], lr=1.0, decouple=True)
        assert type(made) is cls
        ends[name] = moved(made, chosen, 30)
        assert ends[name] == moved(theirs, same, 30)
    assert ends["dadaptation"] != pytest.approx(ends["dadaptation_preprint"], rel=0.01)
    chosen = parts()
    one = moved(make_optimizer(settings("dadaptation_preprint", weight_decay=0.0), chosen), chosen, 1)
    assert one[0] == pytest.approx(1e-7 / 0.001**0.5, rel=1e-6)


def test_sgd_of_sd_scripts_is_nesterovs_and_of_a1111_without_momentum() -> None:
    """Pull 1 three times at rate 0.1, momentum b = 0.9 k = 1, 1.9, 2.71. Plain: 0.1 (k1 + k2 + k3) = 0.561;
    Nesterov: 0.1 sum(1 + 0.9 k) = 0.1 (3 + 0.9 x 5.61) = 0.8049; without momentum 0.3.
    """
    wanted: dict[str, tuple[dict[str, Any], float]] = {
        "plain": ({}, 0.561),
        "nesterov": ({"nesterov": True}, 0.8049),
        "a1111": ({"momentum": 0.0}, 0.3),
    }
    for more, distance in wanted.values():
        chosen = parts()
        config = settings("sgd", lr=0.1, text_encoder_lr=0.1, arguments={"momentum": 0.9, **more})
        made = make_optimizer(config, chosen)
        for _ in range(3):
            for parameters in chosen.values():
                parameters[0].grad = torch.ones_like(parameters[0])
            made.step()
        assert 2.0 - chosen[UNET][0].mean().item() == pytest.approx(distance)


def test_any_class_by_its_dotted_path_with_free_arguments() -> None:
    config = settings(name="torch.optim.RMSprop", betas=None, arguments={"alpha": 0.9, "centered": True})
    made = make_optimizer(config, parts())
    assert isinstance(made, torch.optim.RMSprop)
    assert made.defaults["alpha"] == 0.9
    assert made.defaults["centered"] is True


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "adamwww"}, r"adamwww is not a class; use one of adamw, adamw8bit"),
        ({"name": "torch.optim.Nothing"}, r"torch\.optim\.Nothing is not a class"),
        ({"name": "torch.nn.Linear"}, r"torch\.nn\.Linear is not a torch\.optim\.Optimizer"),
        ({"name": "no_such_package.Adam"}, r"no_such_package.*`pip install` the package"),
        ({"arguments": {"momentum": 0.9}}, r"AdamW has no argument momentum; it has betas, eps"),
        ({"name": "torch.optim.SGD"}, r"SGD has no argument betas, eps"),
        ({"betas": [0.9, 1.0]}, r"AdamW rejects its arguments \(Invalid beta"),
    ],
)
def test_what_cannot_be_is_an_error_with_its_cure(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        make_optimizer(settings(**changes), parts())


def test_schedule_free_saves_its_average_and_goes_on_from_its_own() -> None:
    chosen = parts()
    made = make_optimizer(settings("schedulefree", lr=0.1, text_encoder_lr=0.1), chosen)
    with warnings.catch_warnings():
        moved(made, chosen, 3)
    average = chosen[UNET][0].detach().clone()
    set_averaging([made], False)
    training = chosen[UNET][0].detach().clone()
    assert not torch.allclose(average, training)
    set_averaging([made], True)
    assert torch.allclose(chosen[UNET][0], average, atol=1e-6)
