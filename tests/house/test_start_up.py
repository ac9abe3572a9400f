"""Light stages load nothing heavy: start-up is what a person feels."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "lightning", "diffusers", "transformers")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    "stage", ["compose", "collect", "crop", "tag", "filter_tags", "class_images", "sample_grid", "report"]
)
def test_a_light_stage_loads_no_heavy_package(stage: str) -> None:
    code = f"import sys, stages.{stage}; print(*(set({HEAVY}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
