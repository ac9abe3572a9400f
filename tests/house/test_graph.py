"""dvc.yaml is honest: what it says of a stage is what the stage reads and writes."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.code.closure import CODE_PACKAGES
from pipeline.config.graph_file import stage_entries
from pipeline.schemas import Config
from pipeline.sweep.graph import stages
from tests.conftest import ROOT

TEXT = (ROOT / "dvc.yaml").read_text()
STAGES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["stages"]

pytestmark = pytest.mark.usefixtures("root")


def module_of(name: str) -> Path:
    return Path("stages") / f"{name.replace('-', '_')}.py"


def test_dvc_yaml_is_read_as_dvcs_own_index_reads_it() -> None:
    theirs = stages()
    ours = stage_entries()
    assert ours.keys() == theirs.keys()
    for name, stage in theirs.items():
        assert ours[name].groups == stage.groups
        assert set(ours[name].deps) == set(stage.deps)
        assert set(ours[name].outs) == set(stage.outs)


def test_every_stage_module_is_in_the_graph() -> None:
    modules = {path.as_posix() for path in Path("stages").glob("*.py")} - {"stages/__init__.py"}
    assert {module_of(name).as_posix() for name in STAGES} == modules


@pytest.mark.parametrize("name", STAGES)
def test_commands_run_the_stages_module(name: str) -> None:
    assert STAGES[name]["cmd"] == f"python -m stages.{name.replace('-', '_')}"


@pytest.mark.parametrize("name", sorted(set(STAGES) - {"compose"}))
def test_code_is_a_dependency_of_compose_alone(name: str) -> None:
    assert not [dep for dep in STAGES[name].get("deps", []) if dep.split("/")[0] in CODE_PACKAGES]
    assert set(CODE_PACKAGES) <= set(STAGES["compose"]["deps"])


@pytest.mark.parametrize("name", sorted(set(STAGES) - {"compose"}))
def test_params_are_the_stages_code_and_whole_groups_of_the_resolved_file(name: str) -> None:
    (entry,) = STAGES[name]["params"]
    code, *groups = entry["params.resolved.yaml"]
    assert list(entry) == ["params.resolved.yaml"]
    assert code == f"code.{name}"
    assert set(groups) <= Config.model_fields.keys()


def test_the_graph_can_be_read_from_top_to_bottom() -> None:
    assert len(TEXT.splitlines()) <= 330
    # Mostly values: each setting is a line at every stage that reads its group.
    assert len((ROOT / "dvc.lock").read_text().splitlines()) <= 1200


def test_no_generated_value_is_put_into_the_graph() -> None:
    assert "${" not in TEXT


def test_artifacts_are_outs_of_stages() -> None:
    outs = {path for stage in STAGES.values() for path in outs_of(stage)}
    assert {entry["path"] for entry in yaml.safe_load(TEXT)["artifacts"].values()} <= outs


KINDS = ("outs", "metrics", "plots")


def outs_of(stage: dict[str, Any], kinds: Sequence[str] = KINDS) -> dict[str, dict[str, Any]]:
    entries = [entry for kind in kinds for entry in stage.get(kind, [])]
    return {
        (entry if isinstance(entry, str) else next(iter(entry))): (
            {} if isinstance(entry, str) else next(iter(entry.values()))
        )
        for entry in entries
    }


@pytest.mark.parametrize("name", STAGES)
def test_every_out_is_ignored_by_git_or_left_out_of_the_cache(name: str) -> None:
    for path, options in outs_of(STAGES[name]).items():
        ignored = subprocess.run(["git", "check-ignore", "-q", f"{path}/x"], check=False).returncode == 0
        assert ignored != (options.get("cache") is False), path


@pytest.mark.parametrize("name", sorted(STAGES.keys() - {"compose"}))
def test_a_stage_comes_back_from_the_run_cache(name: str) -> None:
    """DVC keeps no run of a stage with an out that is left out of its cache, metrics and plots excepted.
    compose reads little and is quick: its settings shall be seen in git.
    """
    uncached = {
        path for path, options in outs_of(STAGES[name], ("outs",)).items() if not options.get("cache", True)
    }
    assert not uncached


def test_curves_of_this_run_and_the_last_commits_are_drawn_by_noise_level() -> None:
    command = [
        sys.executable,
        "-m",
        "dvc",
        "plots",
        "diff",
        "HEAD",
        "--json",
        "--targets",
        "plots/train/validation.csv",
    ]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (plot,) = json.loads(told)["data"]["plots/train/validation.csv"]
    assert plot["content"]["spec"]["encoding"]["color"]["field"] == "timestep"
    values = plot["content"]["data"]["values"]
    assert {"side", "timestep", "step", "loss", "rev"} <= values[0].keys()
