"""What each run's verdict says, read from its commit."""

import json
from collections.abc import Sequence

from pipeline.compare.grids import GRID_FOLDER
from pipeline.compare.runs import ComparedRun
from pipeline.sweep.committed import read_committed

VERDICT_FILE = f"{GRID_FOLDER}/verdict.json"


def verdicts(runs: Sequence[ComparedRun]) -> list[tuple[str, Sequence[str]]]:
    """(run, sentences and what is found of the proposed place) of each run that has a verdict: a commit
    before there were any has none, and one whose pictures are not on this machine is named elsewhere.
    """
    found = [(run.name, _sentences(run)) for run in runs]
    return [(name, sentences) for name, sentences in found if sentences]


def _sentences(run: ComparedRun) -> Sequence[str]:
    try:
        content = json.loads(read_committed(run.revision, VERDICT_FILE))
    except FileNotFoundError:
        return []
    found = [str(each["sentence"]) for each in content.get("found", [])]
    return [*map(str, content.get("sentences", [])), *(f"{each[:1].upper()}{each[1:]}." for each in found)]
