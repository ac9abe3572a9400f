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


def test_questions_and_the_model_that_answers_need_each_other() -> None:
    asked = {"sample_grid.questions": ["Is it green?"]}
    model = {"vision.questioner": "models/vlm"}
    must_refuse(
        {"vision": "none"}, asked, r"sample_grid\.questions are asked, but vision\.questioner is null"
    )
    must_refuse({"vision": "none"}, model, r"vision\.questioner models/vlm is set, but .*questions is \[\]")
    must_doubt({"vision": "none"}, asked | model, "")
