"""Settings of text encoders and blocks that the base's family does not have are reported before a run."""

from typing import Any

import pytest

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.errors import UserError

pytestmark = pytest.mark.usefixtures("root")
SD3 = {"sample_grid.sampler": "euler", "class_images.sampler": "euler"}


def problems(base: str, network: str = "lora", /, **changes: Any) -> list[str]:
    values = {key.replace("__", "."): value for key, value in changes.items()}
    try:
        check(compose(Params({"base": base, "network": network}, values)))
    except UserError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize(
    ("base", "name", "start"),
    [
        (
            "sd15",
            "text_encoder_dropout",
            "train.text_encoder_dropout needs a base with several",
        ),
        ("sdxl", "text_encoder_2_dropout", None),
        ("sdxl", "text_encoder_3_dropout", "train.text_encoder_3_dropout: Stable Diffusion XL has 2"),
        ("sd35_medium", "text_encoder_3_dropout", None),
    ],
)
def test_an_encoder_that_is_dropped_must_be_there(base: str, name: str, start: str | None) -> None:
    changes: dict[str, Any] = {f"train.{name}": 0.5, **(SD3 if base == "sd35_medium" else {})}
    found = problems(base, **changes)
    assert [problem.startswith(str(start)) for problem in found] == [True] * (start is not None)


def test_t5_is_for_families_that_have_one() -> None:
    (problem,) = problems("sdxl", base__t5_tokens=77)
    assert problem == "base.t5_tokens: Stable Diffusion XL has no T5; remove it"
    assert problems("sd35_medium", base__t5="none", **SD3) == []
    found = problems("sd35_medium", "checkpoint", base__t5="int8", **SD3)
    assert [problem for problem in found if problem.startswith("base.t5 int8 rounds T5")]


@pytest.mark.parametrize(("count", "is_wrong"), [(26, False), (40, False), (25, True)])
def test_a_hub_name_may_have_the_blocks_of_any_member(count: int, is_wrong: bool) -> None:
    """It cannot be looked at before it is fetched."""
    found = problems("sd35_medium", network__block_rates=[1.0] * count, **SD3)
    assert any("network.block_rates has 25 numbers" in problem for problem in found) is is_wrong
