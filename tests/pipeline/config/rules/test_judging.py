from typing import Any

import pytest

from tests.pipeline.config.rules.composed import must_doubt, must_refuse

pytestmark = pytest.mark.usefixtures("root")


def test_a_head_of_layers_needs_its_encoder() -> None:
    values = {"vision.aesthetic": "demo/eye/aesthetic.safetensors"}
    must_refuse({"vision": "none"}, values, r"vision\.aesthetic .* but vision\.encoder is null; set")
    must_doubt({"vision": "eye"}, values, "")


@pytest.mark.parametrize(
    ("use", "values", "sentence"),
    [
        ({"vision": "eye"}, {"sample_grid.drift_prompts": ["a dog, zibbos"]}, ""),
        (
            {"vision": "eye"},
            {"sample_grid.drift_prompts": ["a dog, (Zibbo:1.2)"]},
            "'a dog, (Zibbo:1.2)' holds the trigger zibbo, so what is learned counts as drift",
        ),
        (
            {"vision": "none"},
            {"sample_grid.drift_prompts": ["a dog"]},
            "sample_grid.drift_prompts has no effect: nothing measures drift",
        ),
        ({"vision": "none"}, {"sample_grid.drift_prompts": []}, ""),
    ],
)
def test_prompts_that_cannot_show_drift(use: dict[str, str], values: dict[str, Any], sentence: str) -> None:
    must_doubt(use, {"filter_tags.trigger": "zibbo", **values}, sentence)
