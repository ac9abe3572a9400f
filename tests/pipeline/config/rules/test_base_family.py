from typing import Any

import pytest

from pipeline.bases.unet_blocks import block_names
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from tests.pipeline.config.rules.composed import must_refuse

pytestmark = pytest.mark.usefixtures("root")
XL = "Stable Diffusion XL has 19 \\(IN00 to OUT08\\)"
SD1 = "Stable Diffusion 1.x has 25 \\(IN00 to OUT11\\)"


@pytest.mark.parametrize(
    ("base", "network", "values", "reason"),
    [
        ("sdxl", "lora", {"block_dims": [4] * 25}, f"network.block_dims has 25 numbers, .*{XL}"),
        (
            "sdxl",
            "lora",
            {"block_alphas": {"OUT11": 1}},
            f"network.block_alphas: there is no block OUT11; {XL}",
        ),
        ("sdxl", "checkpoint", {"blocks": ["M00", "IN09"]}, f"network.blocks: there is no block IN09; {XL}"),
        ("sd15", "lora", {"block_rates": [1] * 19}, f"network.block_rates has 19 numbers, .*{SD1}"),
        ("sdxl", "hypernetwork", {}, "no tool reads hypernetworks of Stable Diffusion XL; train a lora"),
        (
            "sdxl",
            "aesthetic",
            {},
            "acts on one text encoder, and Stable Diffusion XL has 2; train an embedding",
        ),
    ],
)
def test_what_the_family_does_not_have(base: str, network: str, values: dict[str, Any], reason: str) -> None:
    must_refuse(
        {"base": base, "network": network}, {f"network.{key}": value for key, value in values.items()}, reason
    )


@pytest.mark.parametrize(("base", "half"), [("sd15", 12), ("sd21", 12), ("sdxl", 9)])
def test_numbers_for_each_block_of_the_family(base: str, half: int) -> None:
    blocks = block_names(half)
    rates = dict.fromkeys(blocks, 0.5)
    values = {"network.block_dims": [16] * len(blocks), "network.block_rates": rates}
    network: Any = check(compose(Params({"base": base, "network": "lora"}, values))).network
    assert (network.block_dims, network.block_rates) == ([16] * len(blocks), rates)
