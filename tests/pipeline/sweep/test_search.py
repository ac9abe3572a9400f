"""The search's bookkeeping with Optuna itself, and its decision on curves written by hand."""

import json
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.sweep.jobs import HOME, SweepJob, Trial
from pipeline.sweep.metrics import SweepObjective, parsed_objectives
from pipeline.sweep.pruning import Pruning, mean_by_epoch
from pipeline.sweep.search import (
    _minimizes,
    _says_what_it_searches,
    _tell,
    directions,
    finished,
    open_study,
    overrides_of,
    scores,
    space_of,
    storage_of,
)

optuna = pytest.importorskip("optuna")


def write_curve(job: SweepJob, *losses: float) -> Path:
    path = job.worktree / "logs/net/validation.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{epoch * 10},{epoch},held_out,500,{loss}" for epoch, loss in enumerate(losses)]
    path.write_text("\n".join(["step,epoch,side,timestep,loss", "0,0,train,500,9", *rows]) + "\n")
    return path


def job_of(root: Path, number: int, study: str = "s", minimize: bool = False) -> SweepJob:
    trial = Trial(storage_of(study), study, number, minimize)
    return SweepJob(f"job{number}", str(root), "0" * 40, (), (), "", trial=trial)


@pytest.mark.parametrize("minimize", [False, True])
def test_what_is_worse_than_the_median_at_the_same_epoch_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minimize: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    study = open_study("s", ["minimize" if minimize else "maximize"])
    for _ in range(3):
        trial = study.ask()
        job = job_of(tmp_path, trial._trial_id, minimize=minimize)
        write_curve(job, 1.0, 0.5, 0.4, 0.3)
        assert Pruning(job).pruned_epoch() is None
        study.tell(trial, 0.3)
    worse, better = study.ask(), study.ask()
    trailing = job_of(tmp_path, worse._trial_id, minimize=minimize)
    write_curve(trailing, 1.0, 0.9)
    watched = Pruning(trailing)
    assert watched.pruned_epoch() is None, "the first epoch is no evidence yet"
    write_curve(trailing, 1.0, 0.9, 0.8)
    assert watched.pruned_epoch() == 2
    leading = job_of(tmp_path, better._trial_id, minimize=minimize)
    write_curve(leading, 1.0, 0.4, 0.2)
    assert Pruning(leading).pruned_epoch() is None


def test_held_out_pictures_decide_where_there_are_any(tmp_path: Path) -> None:
    path = tmp_path / "validation.csv"
    path.write_text("step,epoch,side,timestep,loss\n0,0,train,100,5\n0,0,train,900,7\n")
    assert mean_by_epoch(path) == {0: 6.0}
    path.write_text(path.read_text() + "0,0,held_out,100,1\n0,0,held_out,900,2\n")
    assert mean_by_epoch(path) == {0: 1.5}


def test_a_killed_searchs_trial_is_tried_again_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kinds = {"seed": optuna.distributions.IntDistribution(0, 10**6)}
    left = open_study("s", ["maximize"]).ask(kinds).params
    study = open_study("s", ["maximize"])
    assert finished(study) == 0
    trial = study.ask(kinds)
    assert trial.params == left
    study.tell(trial, 1.0)
    resumed = open_study("s", ["maximize"])
    assert finished(resumed) == 1
    assert resumed.ask(kinds).params != left, "going on proposes something new"


@pytest.mark.usefixtures("root")
def test_what_the_overrides_leave_open() -> None:
    space = space_of(
        [
            "network.dim=4,8",
            "seed=int(interval(1,9))",
            "optimizer.lr=tag(log,interval(1e-5,1e-3))",
            "train.batch=2",
        ]
    )
    assert space == {
        "network.dim": optuna.distributions.CategoricalDistribution(["4", "8"]),
        "seed": optuna.distributions.IntDistribution(1, 9),
        "optimizer.lr": optuna.distributions.FloatDistribution(1e-5, 1e-3, log=True),
        "train.batch": "2",
    }
    params = {"network.dim": "4", "seed": 3, "optimizer.lr": 1e-4}
    assert overrides_of(space, params) == (
        "network.dim=4", "seed=3", "optimizer.lr=0.0001", "train.batch=2",
    )  # fmt: skip
    with pytest.raises(UserError):
        space_of(["seed=3"])


def test_the_default_score_is_larger_where_a_run_is_better() -> None:
    assert scores({"train.loss_last_epoch": 0.5}, ()) == [-0.5]
    known = SweepObjective(("train.validation_loss",), True)
    assert scores({"train.validation_loss": 0.5}, (known,)) == [0.5]
    joint = {"sample_grid.best.joint": 0.7, "sample_grid.best.subject": 1.0, "sample_grid.best.prompt": 0.9}
    assert scores(joint, ()) == [0.7]
    assert scores({}, ()) is None


def test_a_search_by_several_measures_keeps_a_front_and_prunes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    objectives = parsed_objectives("identity, -loss")
    study = open_study("s", directions(objectives))
    found = [{"identity": 0.5, "loss": 0.2}, {"identity": 0.9, "loss": 0.4}, {"identity": 0.4, "loss": 0.3}]
    for figures in [*found, {"identity": 1.0}]:
        _tell(study, study.ask(), {"status": "done", "figures": figures}, objectives)
    assert [trial.values for trial in study.best_trials] == [[0.5, 0.2], [0.9, 0.4]]
    assert finished(study) == 3  # the one without a loss does not count
    assert _minimizes(objectives) is None
    assert _minimizes(()) is False
    with pytest.raises(UserError, match="begun with other measures"):
        open_study("s", ["maximize"])


def test_a_search_says_what_it_goes_by_where_there_is_no_joint_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / HOME / "results").mkdir(parents=True)
    job = job_of(tmp_path, 0)
    job.result.parent.mkdir(parents=True, exist_ok=True)
    for figures, said in (
        ({"sample_grid.best.joint": 0.7}, ""),
        ({"train.validation_loss": 0.3}, "so the search goes by train.validation_loss"),
    ):
        job.result.write_text(json.dumps({"status": "done", "figures": figures}))
        assert _says_what_it_searches([job], ())
        assert said in capsys.readouterr().err
        assert _says_what_it_searches([job], parsed_objectives("x"))
        assert capsys.readouterr().err == ""
