"""Settings that the base's family does not know or allow."""

import pytest

from tests.pipeline.config.rules.composed import must_doubt

pytestmark = pytest.mark.usefixtures("root")
HUB = {"base.path": "a/b"}
"""A base that is not on this machine, so that only its family is known."""


@pytest.mark.parametrize(
    ("family", "title"), [("sd1", "Stable Diffusion 1.x"), ("sd2", "Stable Diffusion 2.x")]
)
def test_size_conditioning_has_no_effect_without_it(family: str, title: str) -> None:
    values = {**HUB, "base.family": family, "train.size_conditioning": "zero_crop"}
    sentence = f"train.size_conditioning zero_crop has no effect: {title} is not conditioned on sizes"
    must_doubt({}, values, sentence)


def test_size_conditioning_of_sdxl_is_no_doubt() -> None:
    must_doubt({}, {**HUB, "base.family": "sdxl", "train.size_conditioning": "zero_crop"}, "")
