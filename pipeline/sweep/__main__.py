"""`python -m pipeline.sweep -m network.dim=4,8,16 network.alpha=2,4 optimizer.lr=1e-4,2e-4`: every
combination is trained and saved as a DVC experiment. The same command again makes only what is missing.
`--trials N` searches.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.command import run
from pipeline.errors import UserError
from pipeline.printable import printable_lines
from pipeline.sweep.grammar import expand
from pipeline.sweep.jobs import HOME, Job, clean_baseline, make_jobs
from pipeline.sweep.launch import Launcher
from pipeline.sweep.metrics import SweepObjective
from pipeline.sweep.results import result_of
from pipeline.sweep.running import run_missing, sweeping
from pipeline.typed_numbers import whole_number


def main(arguments: Sequence[str] = ()) -> None:
    options = parser().parse_intermixed_args(arguments)
    settings = [each for each in options.overrides if each.lstrip("+").startswith("hydra")]
    wanted = [each for each in options.overrides if each not in settings]
    baseline = clean_baseline()
    objective = SweepObjective(tuple(options.metric.split("+")), options.minimize) if options.metric else None
    launcher = Launcher(settings)
    with sweeping(Path.cwd()):
        if options.trials:
            from pipeline.sweep.search import search

            jobs = search(wanted, options, baseline, launcher, objective)
        else:
            jobs = make_jobs(expand(wanted), options.target, baseline)
            run_missing(jobs, launcher, objective)
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
    made.add_argument("-m", "--multirun", action="store_true", help="as Hydra has it; a sweep is always one")
    made.add_argument(
        "--target", action="append", default=[], metavar="STAGE", help="run up to this stage; again for more"
    )
    made.add_argument("--metric", metavar="FIGURE[+FIGURE]", help="compare by this: train.validation_loss")
    made.add_argument("--minimize", action="store_true", help="of --metric the smallest is the best")
    made.add_argument(
        "--trials", type=whole_number(1), metavar="N", help="search with Optuna, so many jobs in all"
    )
    made.add_argument("--study", default="search", help="name of the search, which goes on where it stopped")
    made.add_argument("--no-compare", action="store_true", help="leave the comparison at the end away")
    return made


def finish(results: Mapping[Job, dict[str, Any]], options: argparse.Namespace) -> None:
    """The comparison; failed jobs make the command fail, after all others have had their turn."""
    failed = [job.name for job, result in results.items() if result["status"] not in ("done", "pruned")]
    done = [job.ref for job, result in results.items() if result["status"] == "done"]
    if done and not options.no_compare:
        from pipeline.compare.page import compare

        print(printable_lines(compare(done, options.metric, options.minimize)))
    if failed:
        raise UserError(
            f"{len(failed)} of {len(results)} jobs failed: {', '.join(failed)}; their logs lie in"
            f" {HOME}/logs/. The same command runs them again, and no other"
        )


if __name__ == "__main__":
    run(main)
