import json
from pathlib import Path

import pytest
import yaml

from demo.families import CHANGES, FIGURES, OPTION, PAGE, params_of, row
from pipeline.config.check import check
from pipeline.config.compose import compose, read_params
from tests.conftest import ROOT


def params() -> dict[str, object]:
    read: dict[str, object] = yaml.safe_load((ROOT / "params.yaml").read_text())
    return read


@pytest.mark.parametrize("family", CHANGES)
def test_what_a_family_changes_composes(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params_of(family, params())))
    config = check(compose(read_params(path)))
    assert config.network.name == OPTION.get(family, family)
    triggers = {prompt.partition(",")[0] for prompt in config.sample_grid.prompts}
    assert triggers == {config.filter_tags.trigger} == {config.train.name}


def test_every_option_but_aesthetic_has_a_row() -> None:
    options = {path.stem for path in (ROOT / "conf/network").glob("*.yaml")}
    assert options - {"aesthetic"} == {OPTION.get(family, family) for family in CHANGES}


def test_the_page_shows_the_runs_that_were_made() -> None:
    figures = json.loads(FIGURES.read_text())
    text = PAGE.read_text()
    assert {family: row(family, found) in text for family, found in figures.items()} == dict.fromkeys(
        figures, True
    )
