"""Losses of steps, recorded when training composed noise, levels, targets and weights by itself: an objective
draws in the same order and computes the same bits.

The denoiser is one that halves what it sees: a U-Net's last bits follow from its convolutions, which are not
looked at here.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.bases.base import Base
from pipeline.bases.conditioning import Conditioning
from pipeline.bases.sd1.family import SD1
from pipeline.bases.tokens import token_ids
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.networks.network import AdapterNetwork
from pipeline.schemas import AdapterNetworkConfig
from pipeline.training.data import Batch
from pipeline.training.module import Denoising
from tests.pipeline.bases.random_sd1 import random_base

RECORDED_WITH = "AVX2"
"""Other instruction sets round the last bits of torch.randn and of means otherwise."""
LOSSES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("epsilon", {}, ["0x1.d87dd8p-3", "0x1.465b14p+0"]),
    (
        "epsilon",
        {"offset": 0.1, "offset_random_strength": True, "offset_adaptive": 0.05},
        ["0x1.3dee1cp-2", "0x1.118ae0p-2"],
    ),
    ("epsilon", {"pyramid_iterations": 6}, ["0x1.050538p-2", "0x1.d37c80p-2"]),
    (
        "epsilon",
        {"pyramid_iterations": 4, "pyramid_deviation": "picture", "pyramid_discount": 0.5},
        ["0x1.0136dcp-2", "0x1.e03520p-2"],
    ),
    (
        "epsilon",
        {"perturbation": 0.1, "perturbation_random_strength": True},
        ["0x1.d8ab9ap-3", "0x1.466428p+0"],
    ),
    (
        "epsilon",
        {"offset": 0.1, "pyramid_iterations": 3, "perturbation": 0.1},
        ["0x1.08ece2p-2", "0x1.1b4954p-2"],
    ),
    (
        "epsilon",
        {"timestep_distribution": "logit_normal", "timestep_mean": 0.5, "timestep_deviation": 0.7},
        ["0x1.6fb01ap-2", "0x1.7c751ep-2"],
    ),
    ("epsilon", {"timestep_distribution": "mode"}, ["0x1.dd7e42p-3", "0x1.85f234p-2"]),
    (
        "epsilon",
        {"timestep_distribution": "cubic", "min_timestep": 100, "max_timestep": 900},
        ["0x1.d7b4b8p-3", "0x1.1b23c0p-2"],
    ),
    ("v_prediction", {"zero_terminal_snr": True}, ["0x1.37c2b4p+0", "0x1.6f7fa0p+0"]),
    ("v_prediction", {"zero_terminal_snr": True, "min_snr_gamma": 5.0}, ["0x1.2f827ap-6", "0x1.b8bc26p-4"]),
    (
        "v_prediction",
        {"zero_terminal_snr": True, "snr_after_rescale": True, "debiased": "exact"},
        ["0x1.26516cp-4", "0x1.712974p-3"],
    ),
    ("epsilon", {"loss": "huber"}, ["0x1.132604p-4", "0x1.9345f8p-1"]),
    (
        "epsilon",
        {"loss": "huber", "huber_schedule": "exponential", "huber_scale": 2.0},
        ["0x1.eb513cp-4", "0x1.14db48p+0"],
    ),
    ("epsilon", {"loss": "smooth_l1", "huber_schedule": "constant"}, ["0x1.3cb040p-1", "0x1.aa362ap+0"]),
    ("epsilon", {"min_snr_gamma": 5.0}, ["0x1.d87dd8p-3", "0x1.8d598ep-4"]),
    ("epsilon", {"debiased": True}, ["0x1.db36f6p+0", "0x1.421704p-3"]),
    ("epsilon", {"v_prediction_like": 0.5, "min_snr_gamma": 1.0}, ["0x1.f41a00p+2", "0x1.df3d1cp-6"]),
]


class Halving(SD1):
    """Answers half of what it sees."""

    def predict(self, base: Base, noisy: Tensor, levels: Tensor, conditioning: Conditioning) -> Tensor:  # noqa: ARG002
        return 0.5 * noisy


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(("prediction", "changes", "recorded"), LOSSES)
def test_the_losses_are_those_recorded(prediction: str, changes: dict[str, Any], recorded: list[str]) -> None:
    base = random_base()
    base.family = Halving()
    base.configs["scheduler"]["prediction_type"] = prediction
    values = {f"noise.{key}": value for key, value in changes.items()}
    config = check(compose(Params({}, {"network.dim": 2, "network.alpha": 2.0, "seed": 3, **values})))
    assert isinstance(config.network, AdapterNetworkConfig)
    module = Denoising(base, AdapterNetwork.create(config.network, base, seed=0), config, total_steps=10)
    mean = torch.randn((2, 4, 8, 8), generator=torch.Generator().manual_seed(9))
    ids = token_ids(base.tokenizer, ["a cat", ""])
    batch = Batch(mean, torch.full_like(mean, 0.1), ids, torch.ones(2), step=7)
    found = module.picture_losses(batch).tolist()
    expected = [float.fromhex(each) for each in recorded]
    if torch.backends.cpu.get_cpu_capability() == RECORDED_WITH:
        assert found == expected
    assert found == pytest.approx(expected, rel=1e-6)
