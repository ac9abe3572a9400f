"""The whole graph on every family of base there is, on random narrow bases; and on one of a test's own."""

from pathlib import Path

import pytest

from pipeline.bases.base import Base
from pipeline.bases.registry import families, family
from pipeline.bases.save import save_folder
from pipeline.bases.tokenizers import make_tokenizer
from tests.pipeline.bases.tiny import random_parts, small_configs
from tests.stages.project import make_project, run_all


def small_base(name: str) -> Base:
    made, configs = family(name), small_configs(name)
    return Base(made, make_tokenizer(None), random_parts(made, configs), configs)


@pytest.mark.parametrize("name", families())
def test_the_whole_graph_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = small_base(name)
    monkeypatch.chdir(make_project(tmp_path / "project"))
    save_folder(base, Path("base"), "fp32", {})
    run_all()
    assert Path("models/merged/net.safetensors").is_file()
