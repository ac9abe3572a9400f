"""What the verdicts of runs say next to each other."""

import json

import pytest

from pipeline.compare import verdicts
from pipeline.compare.runs import ComparedRun

CONTENTS = {
    "one": {"sentences": ["Take epoch 5.", "No other."]},
    "unmeasured": {"sentences": []},
    "older": {},
}


def test_each_runs_sentences_in_the_order_of_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_committed(revision: str, path: str) -> bytes:
        assert path == "reports/sample-grid/verdict.json"
        if revision not in CONTENTS:
            raise FileNotFoundError(path)
        return json.dumps(CONTENTS[revision]).encode()

    monkeypatch.setattr(verdicts, "read_committed", read_committed)
    names = ("absent", "older", "one", "unmeasured")
    runs = [ComparedRun(f"run {name}", name, is_experiment=True) for name in names]
    assert verdicts.verdicts(runs) == [("run one", ["Take epoch 5.", "No other."])]


def test_what_is_found_of_the_proposed_place_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"sentences": ["Take it."], "found": [{"kind": "by_heart", "sentence": "learned by heart: so"}]}
    monkeypatch.setattr(verdicts, "read_committed", lambda *_: json.dumps(content).encode())
    runs = [ComparedRun("one", "one", is_experiment=True)]
    assert verdicts.verdicts(runs) == [("one", ["Take it.", "Learned by heart: so."])]
