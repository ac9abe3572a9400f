from pathlib import Path

import pytest

from pipeline.config.graph_file import RESOLVED_PARAMS
from stages.compose import resolved, resolved_text, stage_code

pytestmark = pytest.mark.usefixtures("root")


def test_the_resolved_params_in_git_are_what_compose_makes() -> None:
    config = resolved()
    assert Path(RESOLVED_PARAMS).read_text() == resolved_text(config, stage_code(config)), (
        "run `dvc repro compose`"
    )
