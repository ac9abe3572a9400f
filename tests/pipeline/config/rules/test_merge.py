from typing import Any

import pytest

from tests.pipeline.config.rules.composed import must_doubt

pytestmark = pytest.mark.usefixtures("root")
RECIPE = {"merge.recipe": "data/merge.yaml"}
GRID = {"sample_grid.merge": "data/merge.yaml"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (RECIPE | {"merge.alpha": 0.5}, "merge.alpha has no effect: merge.recipe sets"),
        (RECIPE | {"base.vae": "vae.safetensors"}, "base.vae has no effect on merge.recipe"),
        (GRID | {"base.vae": "vae.safetensors"}, "base.vae applies to the base alone"),
    ],
)
def test_settings_that_a_recipe_overrules_are_told(values: dict[str, Any], sentence: str) -> None:
    must_doubt({}, values, sentence)
