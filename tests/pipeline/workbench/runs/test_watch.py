"""The sentence after a stop comes from the training's own last lines."""

import inspect

import pytest

from pipeline.training import session
from pipeline.workbench.runs.runs import Runs
from pipeline.workbench.runs.watch import KEPT_LINES, SENTENCES, Watch


@pytest.mark.parametrize("beginning", KEPT_LINES)
def test_a_training_says_what_it_kept_in_these_words(beginning: str) -> None:
    assert f'"{beginning}' in inspect.getsource(session)


def test_after_a_stop_the_page_says_what_the_training_kept() -> None:
    watch = Watch(Runs())
    assert watch._said("stopped") == SENTENCES["stopped"]
    lines = (
        "train: 8 of 630",
        "to resume from the last checkpoint, run `dvc repro` or the same command",
        "the network after 290 of 630 steps is in models/x.safetensors",
        "ERROR: interrupted",
    )
    watch.log.text = "\n".join(lines)
    assert watch._said("stopped") == (
        "Stopped: to resume from the last checkpoint, run `dvc repro` or the same command; the network after"
        " 290 of 630 steps is in models/x.safetensors."
    )
    assert watch._said("running") == SENTENCES["running"]
