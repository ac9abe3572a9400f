"""Names, checks and params.yaml of jobs."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from pipeline.errors import UserError
from pipeline.sweep.__main__ import parser
from pipeline.sweep.grammar import expand
from pipeline.sweep.jobs import SweepJob, checked, make_jobs, name_of
from pipeline.sweep.worktrees import write_overrides
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("root")


def test_a_name_is_readable_and_follows_from_the_values_alone() -> None:
    name = name_of(("network.dim=4", "optimizer.lr=1e-4", "network=lora"), [])
    assert name.startswith("dim4-lr1e-4-network-lora-")
    assert name == name_of(("network.dim=4", "optimizer.lr=1e-4", "network=lora"), [])
    assert name != name_of(("network.dim=4", "optimizer.lr=1e-4", "network=loha"), [])


def test_mistakes_of_all_jobs_come_before_any_job() -> None:
    with pytest.raises(UserError) as caught:
        make_jobs([("network.dim=0",), ("network.dim=4",), ("network.dimm=4",)], [], "0" * 40)
    assert len(caught.value.problems) == 2


def test_a_job_cannot_follow_votes_on_another_grid() -> None:
    with pytest.raises(UserError, match=r"add merge\.epoch=best"):
        checked(("merge.epoch=voted",))
    assert checked(("merge.epoch=best",)).merge.epoch == "best"


def test_the_sweep_in_the_readme_is_one() -> None:
    told = re.search(r"`python -m pipeline\.sweep ([^`]+)`", (ROOT / "README.md").read_text())
    assert told
    options = parser().parse_intermixed_args(shlex.split(told[1]))
    jobs = make_jobs(expand(options.overrides), options.target, "0" * 40)
    assert [job.overrides for job in jobs] == [
        (f"network.dim={dim}", f"optimizer.lr={lr}") for dim in (4, 8, 16) for lr in ("0.0001", "0.0002")
    ]


def test_two_jobs_of_the_same_values_are_one() -> None:
    jobs = make_jobs([("network.dim=4",), ("network.dim=4", "seed=0"), ("network.dim=8",)], [], "0" * 40)
    assert [job.overrides for job in jobs] == [("network.dim=4",), ("network.dim=8",)]
    assert SweepJob.of_json(jobs[0].to_json()) == jobs[0]


def test_overrides_are_set_in_params_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("# why\nuse:\n  network: lora\nnetwork:\n  dim: 16 # small\n  alpha: 8\n")
    write_overrides(path, ("network=loha", "network.dim=4", "optimizer.lr=1e-4", "sample_grid.seeds=[1,2]"))
    assert yaml.safe_load(path.read_text().replace("1e-4", "1.0e-4")) == {
        "use": {"network": "loha"},
        "network": {"dim": 4, "alpha": 8},
        "optimizer": {"lr": 0.0001},
        "sample_grid": {"seeds": [1, 2]},
    }
    assert "# why" in path.read_text()
    assert "# small" in path.read_text()
