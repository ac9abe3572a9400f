from pathlib import Path

import pytest

from pipeline.config.check import check
from pipeline.config.compose import compose, read_params
from pipeline.config.graph_file import RESOLVED_PARAMS
from stages.compose import resolved, resolved_text, stage_code

pytestmark = pytest.mark.usefixtures("root")


def test_the_resolved_params_in_git_are_what_compose_makes() -> None:
    config = resolved()
    assert Path(RESOLVED_PARAMS).read_text() == resolved_text(config, stage_code(config)), (
        "run `dvc repro compose`"
    )


def test_the_second_bases_params_differ_from_the_demos_in_length_alone() -> None:
    """So that both bases learn the same subject from the same pictures and prompts."""
    first, second = (read_params(Path(name)) for name in ("params.yaml", "demo/params_xl.yaml"))
    changed = {key for key in first.values | second.values if first.values.get(key) != second.values.get(key)}
    assert changed == {
        "same_bytes", "train.epochs", "train.save_every_epochs", "sample_grid.seeds",
        "sample_grid.batch",
    }  # fmt: skip
    assert (first.use, second.use) == (
        {"base": "tiny", "network": "lora", "vision": "eye"},
        {"base": "tiny_xl", "network": "lora", "vision": "eye"},
    )
    assert check(compose(second)).base.family == "sdxl"
