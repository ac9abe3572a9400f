"""`python -m pipeline.sweep -m network.dim=4,8,16 network.alpha=2,4 optimizer.lr=1e-4,2e-4`: trains every
combination and saves it as a DVC experiment. Rerun the command to make only what is missing. `--trials N`
searches.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.command import run
from pipeline.errors import UserError, warn
from pipeline.printable import printable_lines
from pipeline.sweep.grammar import expand
from pipeline.sweep.jobs import HOME, SweepJob, clean_baseline, make_jobs
from pipeline.sweep.launch import Launcher
from pipeline.sweep.metrics import parsed_objectives, unseen_figures
from pipeline.sweep.results import committed_figures, result_of
from pipeline.sweep.running import run_missing, sweeping
from pipeline.typed_numbers import whole_number


def main(arguments: Sequence[str] = ()) -> None:
    options = parser().parse_intermixed_args(arguments)
    settings = [each for each in options.overrides if each.lstrip("+").startswith("hydra")]
    overrides = [each for each in options.overrides if each not in settings]
    baseline = clean_baseline()
    objectives = parsed_objectives(options.metric, options.minimize)
    for sentence in unseen_figures(objectives, committed_figures(None)):
        warn(sentence)
    launcher = Launcher(settings)
    with sweeping(Path.cwd()):
        if options.trials:
            from pipeline.sweep.search import search

            jobs = search(overrides, options, baseline, launcher, objectives)
        else:
            jobs = make_jobs(expand(overrides), options.target, baseline)
            run_missing(jobs, launcher, objectives)
        results = {job: result_of(job) for job in jobs}
    finish(results, options)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m pipeline.sweep", description=__doc__)
    made.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUES",
        help="network.dim=4,8 network=lora,loha; launcher: hydra/launcher=joblib hydra.launcher.n_jobs=2",
    )
    made.add_argument("-m", "--multirun", action="store_true", help="as in Hydra; always on")
    made.add_argument(
        "--target", action="append", default=[], metavar="STAGE", help="run up to this stage; can be repeated"
    )
    made.add_argument(
        "--metric",
        metavar="FIGURE[+FIGURE][,FIGURE]",
        help="compare by this, such as train.validation_loss; several with commas: their Pareto front"
        " (`-` before a figure: smaller is better); without it the verdict's joint score",
    )
    made.add_argument("--minimize", action="store_true", help="the smallest --metric is best")
    made.add_argument(
        "--trials", type=whole_number(1), metavar="N", help="search with Optuna, with N jobs in all"
    )
    made.add_argument(
        "--study", default="search", help="name of the search, which continues where it stopped"
    )
    made.add_argument("--no-compare", action="store_true", help="skip the final comparison")
    return made


def finish(results: Mapping[SweepJob, dict[str, Any]], options: argparse.Namespace) -> None:
    """Compares the runs; the command fails if a job failed, after all others have run."""
    failed = [job.name for job, result in results.items() if result["status"] not in ("done", "pruned")]
    done = [job.ref for job, result in results.items() if result["status"] == "done"]
    if done and not options.no_compare:
        from pipeline.compare.page import compare

        print(printable_lines(compare(done, options.metric, options.minimize)))
    if failed:
        raise UserError(
            f"{len(failed)} of {len(results)} jobs failed: {', '.join(failed)}; see their logs in"
            f" {HOME}/logs/, then rerun the command, which runs only these jobs again"
        )


if __name__ == "__main__":
    run(main)
