"""Baking in a place of the grid: what is written into params.yaml, and what is refused."""

import shutil
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.workbench import bake as bake_module
from pipeline.workbench.bake import bake, merge_now
from pipeline.workbench.desk import Desk
from pipeline.workbench.edited_file import ConflictError
from pipeline.workbench.grid import SampleGrid
from tests.conftest import ROOT
from tests.pipeline.workbench.sample_grid import make_grid

PARAMS_TEXT = """\
# mine
use:
  base: tiny   # small

merge:
  # how strong
  alpha: 1.2 # tried 1.0
  dtype: "fp16"
train: {name: zib}
"""


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SampleGrid:
    """The composer takes everything, and is asked."""
    monkeypatch.chdir(tmp_path)
    make_grid(tmp_path)
    Path("params.yaml").write_text(PARAMS_TEXT)
    asked = list[str]()
    monkeypatch.setattr(bake_module, "check_overrides", asked.extend)
    made = SampleGrid(Desk())
    made.refresh()
    made.asked = asked  # type: ignore[attr-defined]
    return made


def test_only_the_two_settings_change_and_undo_gives_the_old_bytes(grid: SampleGrid) -> None:
    assert bake(grid, 2, None) == "params.yaml: merge.epoch 2, merge.alpha 1"
    assert grid.asked == ["merge.epoch=2", "merge.alpha=1.0"]  # type: ignore[attr-defined]
    after = PARAMS_TEXT.replace("alpha: 1.2 #", "alpha: 1.0 #").replace('"fp16"\n', '"fp16"\n  epoch: 2\n')
    assert Path("params.yaml").read_text() == after
    assert merge_now(grid)["epoch"] == 2
    grid.desk.undo()
    assert Path("params.yaml").read_text() == PARAMS_TEXT


def test_a_params_yaml_without_the_group_gets_it_at_its_end(grid: SampleGrid) -> None:
    Path("params.yaml").write_text("use: {base: tiny}")
    bake(grid, 1, None)
    assert Path("params.yaml").read_text() == "use: {base: tiny}\nmerge:\n  epoch: 1\n  alpha: 1.0\n"


def test_what_the_votes_prefer_is_written_as_voted(grid: SampleGrid) -> None:
    with pytest.raises(UserError, match="no vote on this grid"):
        bake(grid, None, None)
    grid.vote([2, 3], prompt=1, seed=7, choice="right", seen=None)
    assert bake(grid, None, None) == "params.yaml: merge.epoch voted, merge.alpha 1"
    assert "epoch: voted" in Path("params.yaml").read_text()


@pytest.mark.parametrize(("place", "said"), [(0, "base alone is not a network"), (9, "another now")])
def test_a_place_that_merge_cannot_name_is_refused(grid: SampleGrid, place: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        bake(grid, place, None)
    assert Path("params.yaml").read_text() == PARAMS_TEXT


def test_another_s_change_of_the_group_is_a_conflict_and_of_other_groups_is_none(grid: SampleGrid) -> None:
    seen = merge_now(grid)["sha256"]
    Path("params.yaml").write_text(PARAMS_TEXT.replace("zib", "other"))
    bake(grid, 1, seen)
    seen = merge_now(grid)["sha256"]
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("epoch: 1", "epoch: 7"))
    with pytest.raises(ConflictError):
        bake(grid, 2, seen)
    assert "epoch: 7" in Path("params.yaml").read_text()
    assert "name: other" in Path("params.yaml").read_text()


def test_a_params_yaml_that_cannot_be_read_is_a_sentence(grid: SampleGrid) -> None:
    Path("params.yaml").write_text("merge: {alpha: 1")
    assert "params.yaml" in merge_now(grid)["wrong"]


def test_what_the_composer_refuses_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_grid(tmp_path)
    for name in ("conf", "params.yaml", "dvc.yaml", "params.resolved.yaml"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    before = Path("params.yaml").read_text()
    Path("params.yaml").write_text(f"{before}  dtype: fp12\n")
    with pytest.raises(UserError, match=r"merge\.dtype"):
        bake(SampleGrid(Desk()), 1, None)
    assert "epoch" not in Path("params.yaml").read_text().partition("merge:")[2]
