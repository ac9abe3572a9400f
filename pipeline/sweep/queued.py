"""One job of a queue: `python -m pipeline.sweep.queued run ORDER.json`; `check` reads overrides.

The job starts from the last commit with the decision files and params.yaml as they were when it was queued (a
git tree), so that later edits do not change it. Its result is an experiment of that commit, like a sweep's.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.command import run
from pipeline.errors import UserError
from pipeline.sweep.devices import threads
from pipeline.sweep.graph import segments, stages_for
from pipeline.sweep.jobs import SweepJob, checked, dvc_cache
from pipeline.sweep.running import sweeping
from pipeline.sweep.work import work


@dataclass(frozen=True)
class Order:
    """`baseline`: the commit it starts from; `tree`: the files that replace the commit's."""

    name: str
    baseline: str
    tree: str
    overrides: tuple[str, ...]

    @classmethod
    def of_json(cls, text: str) -> "Order":
        said = json.loads(text)
        return cls(said["name"], said["baseline"], said["tree"], tuple(said["overrides"]))


def main(arguments: Sequence[str] = ()) -> None:
    if arguments[0] == "check":
        checked(tuple(json.load(sys.stdin)))
        return
    order = Order.of_json(Path(arguments[1]).read_text(encoding="utf-8"))
    with sweeping(Path.cwd()):
        result = work(job_of(order))
    if result["status"] != "done":
        raise UserError(f"{order.name}: {result.get('reason', result['status'])}")
    print(f"{order.name} is saved as an experiment: `dvc exp show`, `python -m pipeline.compare`")


def job_of(order: Order) -> SweepJob:
    """Alone, it shares no stage: one segment holds all."""
    names = stages_for(())
    own = segments([{name: f"{order.name}-{name}" for name in names}])[0]
    return SweepJob(
        order.name,
        str(Path.cwd()),
        order.baseline,
        order.overrides,
        tuple(own),
        dvc_cache(),
        threads(1),
        tree=order.tree,
    )


if __name__ == "__main__":
    run(main)
