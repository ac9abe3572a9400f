"""A search with Optuna: it proposes values, jobs try them, and trials with a lagging validation loss are
pruned.

It maximises the verdict's joint score, or what `--metric` names; of several measures it finds the Pareto
front, without pruning. The study is a SQLite file; the same command continues it. Values:
`network.dim=choice(4,8,16)` or `4,8,16`, `train.epochs=range(5,20)`, `network.dim=int(interval(4,32))`, in
logarithms as `tag(log, interval(1e-5,1e-3))`.
"""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import UserError, warn
from pipeline.files.names import insist_on_plain_name
from pipeline.sweep.grammar import JobOverrides, parsed, values_of
from pipeline.sweep.jobs import HOME, SweepJob, Trial, make_jobs, name_of
from pipeline.sweep.launch import Launcher
from pipeline.sweep.metrics import JOINT_OBJECTIVE, RunFigures, SweepObjective, judged_by
from pipeline.sweep.results import result_of
from pipeline.sweep.running import run_missing

if TYPE_CHECKING:
    import optuna

SEED = 0
Way = Literal["minimize", "maximize"]


def search(
    texts: Sequence[str],
    options: Namespace,
    baseline: str,
    launcher: Launcher,
    objectives: Sequence[SweepObjective],
) -> list[SweepJob]:
    """Runs until the study has `options.trials` trials with a result; returns their jobs."""
    space = space_of(texts)
    study = open_study(options.study, directions(objectives))
    said = False
    jobs: dict[str, SweepJob] = {}
    while (left := options.trials - finished(study)) > 0:
        trials = [study.ask(space_distributions(space)) for _ in range(min(left, launcher.at_once))]
        batch = _batch(trials, space, options.target, baseline, study, objectives)
        # Two trials may get the same values: one job serves both.
        jobs |= {job.name: job for job in batch}
        run_missing(list({job.name: job for job in batch}.values()), launcher, objectives)
        for trial, job in zip(trials, batch, strict=True):
            _tell(study, trial, result_of(job), objectives)
        said = said or _says_what_it_searches(batch, objectives)
    return list(jobs.values()) or _known_jobs(study, space, options.target, baseline)


def directions(objectives: Sequence[SweepObjective]) -> list[Way]:
    """Optuna's, one for each measure; a default objective is turned so that larger is better."""
    return ["minimize" if each.minimize else "maximize" for each in objectives] or ["maximize"]


def _minimizes(objectives: Sequence[SweepObjective]) -> bool | None:
    """For pruning; None with several measures, which Optuna does not prune."""
    return None if len(objectives) > 1 else directions(objectives) == ["minimize"]


def storage_of(name: str) -> str:
    insist_on_plain_name(name, "--study")
    path = HOME / "searches" / f"{name}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path.resolve()}"


def _says_what_it_searches(jobs: Sequence[SweepJob], objectives: Sequence[SweepObjective]) -> bool:
    """Says once if runs have no joint score, by what they are judged then."""
    if objectives:
        return True
    judged = [found for job in jobs for found in judged_by(result_of(job).get("figures", {}))]
    if judged and judged[0][0] is not JOINT_OBJECTIVE:
        warn(
            f"the runs have no joint score ({JOINT_OBJECTIVE.name}), so the search goes by"
            f" {judged[0][0].name}; set sample_grid.subject_tags or use.vision, or --metric"
        )
    return bool(judged)


def open_study(name: str, ways: Sequence[Way]) -> "optuna.Study":
    """The study, new or continued; unfinished trials of a killed search are tried again first. ways: of each
    measure.
    """
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=storage_of(name),
        study_name=name,
        load_if_exists=True,
        directions=list(ways),
    )
    if [each.name.lower() for each in study.directions] != list(ways):
        raise UserError(f"--study {name} was begun with other measures; give the search another name")
    # A continued study must not repeat its first proposals.
    study.sampler = optuna.samplers.TPESampler(seed=SEED + len(study.trials))
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def finished(study: "optuna.Study") -> int:
    """Number of trials that count: failed ones are replaced, unless all fail."""
    from optuna.trial import TrialState

    failed = len(study.get_trials(states=(TrialState.FAIL,)))
    good = len(study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))
    if failed >= 3 and not good:
        raise UserError(f"every trial failed; see their logs in {HOME}/logs/")
    return good


Space = dict[str, Any]
"""By key: a fixed value, or one of Optuna's distributions."""


def space_of(texts: Sequence[str]) -> Space:
    """The search space of the overrides, and their fixed values."""
    from hydra.core.override_parser.types import IntervalSweep, RangeSweep
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    space: Space = {}
    for override in parsed(texts):
        key, value = override.get_key_element(), override.value()
        log = isinstance(value, IntervalSweep | RangeSweep) and "log" in value.tags
        if isinstance(value, IntervalSweep):
            kind = IntDistribution if isinstance(value.start, int) and isinstance(value.end, int) else None
            assert value.start is not None
            assert value.end is not None
            space[key] = (
                IntDistribution(int(value.start), int(value.end), log=log)
                if kind
                else FloatDistribution(value.start, value.end, log=log)
            )
        elif override.is_sweep_override():
            texts_of = [text.partition("=")[2] for text in values_of(override)]
            space[key] = CategoricalDistribution(texts_of)
        else:
            space[key] = override.get_value_element_as_str()
    if not space_distributions(space):
        raise UserError("nothing to search: give a setting a range, such as optimizer.lr=interval(1e-5,1e-3)")
    return space


def space_distributions(space: Space) -> dict[str, Any]:
    return {key: value for key, value in space.items() if not isinstance(value, str)}


def overrides_of(space: Space, params: dict[str, Any]) -> JobOverrides:
    return tuple(f"{key}={fixed if isinstance(fixed, str) else params[key]}" for key, fixed in space.items())


def _batch(
    trials: Sequence["optuna.Trial"],
    space: Space,
    targets: Sequence[str],
    baseline: str,
    study: "optuna.Study",
    objectives: Sequence[SweepObjective],
) -> list[SweepJob]:
    """A job for each trial; made together, so that they share stages above the first difference."""
    sets = [overrides_of(space, trial.params) for trial in trials]
    made = {job.name: job for job in make_jobs(sets, targets, baseline)}
    jobs = []
    for trial, overrides in zip(trials, sets, strict=True):
        job = made.get(name_of(overrides, targets)) or make_jobs([overrides], targets, baseline)[0]
        name = study.study_name
        jobs.append(
            replace(job, trial=Trial(storage_of(name), name, trial._trial_id, _minimizes(objectives)))
        )
    return jobs


def _tell(
    study: "optuna.Study", trial: "optuna.Trial", result: dict[str, Any], objectives: Sequence[SweepObjective]
) -> None:
    from optuna.trial import TrialState

    if result["status"] == "pruned":
        study.tell(trial, state=TrialState.PRUNED)
        return
    values = scores(result.get("figures", {}), objectives) if result["status"] == "done" else None
    study.tell(trial, values, state=TrialState.COMPLETE if values else TrialState.FAIL)


def scores(figures: RunFigures, objectives: Sequence[SweepObjective]) -> list[float] | None:
    """The trial's values; larger is better unless the objectives say otherwise."""
    judged = judged_by(figures, objectives)
    return [-value if by.minimize and not objectives else value for by, value in judged] or None


def _known_jobs(study: "optuna.Study", space: Space, targets: Sequence[str], baseline: str) -> list[SweepJob]:
    from optuna.trial import TrialState

    done = study.get_trials(states=(TrialState.COMPLETE,))
    return make_jobs([overrides_of(space, trial.params) for trial in done], targets, baseline)
