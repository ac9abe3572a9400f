from typing import Any

import pytest

from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from tests.pipeline.config.rules.composed import must_doubt, must_refuse
from tests.pipeline.training.settings import train

pytestmark = pytest.mark.usefixtures("root")
PRIOR = {"train.preservation": "prior", "train.preservation_class": "dog"}


@pytest.mark.parametrize(
    ("use", "values", "reason"),
    [
        ({}, {"train.preservation_class": None}, r"preservation prior needs train\.preservation_class"),
        ({}, {"train.preservation_class": ""}, r"train\.preservation_class"),
        ({}, {"train.preservation_class": "  "}, r"needs train\.preservation_class"),
        ({}, {"train.preservation_class": {"zib": " "}}, r"needs train\.preservation_class"),
        ({}, {"train.preservation_class": {}}, r"needs train\.preservation_class"),
        (
            {"class_images": "prior"},
            {"class_images.prompt": "dog"},
            r"without class pictures, but there are some .* set train\.preservation to none",
        ),
        ({}, {"collect.class_source": "reg"}, r"without class pictures, but there are some"),
        ({"network": "checkpoint"}, {}, r"needs an adapter, .* network\.name is checkpoint"),
        ({"network": "embedding"}, {}, r"needs an adapter, .* network\.name is embedding"),
        ({"network": "aesthetic"}, {}, r"needs an adapter, .* network\.name is aesthetic"),
        ({"network": "hypernetwork"}, {}, r"needs an adapter, .* network\.name is hypernetwork"),
        ({}, {"train.preservation": "dop"}, r"train\.preservation: 'dop' is not allowed"),
    ],
)
def test_what_cannot_be_preserved(use: dict[str, str], values: dict[str, Any], reason: str) -> None:
    must_refuse(use, {**PRIOR, **values}, reason)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (PRIOR, ""),
        ({**PRIOR, "train.preservation_class": {"zib": "dog"}}, ""),
        ({**PRIOR, "train.preservation_weight": 0.0}, "has no effect: train.preservation_weight is 0"),
        ({**PRIOR, "filter_tags.trigger": "doggy"}, ""),
        (
            {**PRIOR, "train.preservation_class": "a Zib dog", "filter_tags.trigger": "zib"},
            "train.preservation_class 'a Zib dog' holds the trigger zib",
        ),
        ({"train.preservation_class": "dog"}, "preservation_class has no effect: train.preservation is none"),
        ({"train.preservation_weight": 2.0}, "preservation_weight has no effect: train.preservation is none"),
    ],
)
def test_what_has_no_effect(values: dict[str, Any], sentence: str) -> None:
    must_doubt({}, values, sentence)


def test_what_preserves_nothing_leaves_results_as_they_are() -> None:
    assert "preservation" not in train().identity()
    off = train(preservation="prior", preservation_class="dog", preservation_weight=0.0)
    assert off.identity() == train(preservation_class="cat").identity() == train().identity()
    on = check(compose(Params({}, PRIOR))).train.identity()
    assert (on["preservation"], on["preservation_class"]) == ("prior", "dog")
