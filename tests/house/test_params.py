from pathlib import Path

import pytest
import yaml

from pipeline.config.load import RESOLVED
from stages.compose import BANNER, resolved

pytestmark = pytest.mark.usefixtures("root")


def test_the_resolved_params_in_git_are_what_compose_makes() -> None:
    made = BANNER + yaml.safe_dump(resolved().values(), sort_keys=True, allow_unicode=True)
    assert Path(RESOLVED).read_text() == made, "run `dvc repro compose`"
