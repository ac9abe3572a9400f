from typing import Any

import pytest

from tests.pipeline.config.rules.composed import must_doubt, must_refuse

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


def test_a_base_that_is_not_here_has_no_types_to_keep() -> None:
    values = {"merge.dtype": "source", "base.path": "a/b"}
    must_refuse({"base": "sdxl"}, values, r"merge\.dtype source needs the base's own files, .* a/b")
