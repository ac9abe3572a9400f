"""Whether a run is good, by its figures."""

from typing import Any

from pipeline.reports.run.verdict import verdict

BASE = {"subject": 0.0, "prompt": 1.0}
FINDING = {"kind": "overfitted", "sentence": "overfitted: by heart", "advice": "stop earlier"}


def best(subject: float, prompt: float, *against: str, **figures: float) -> dict[str, Any]:
    return {
        "total": subject + prompt,
        "against": against,
        "figures": {"subject": subject, "prompt": prompt, **figures},
    }


def test_a_subject_that_the_base_lacks_was_learned() -> None:
    found = verdict(best(0.9, 0.8, copies=2.0), BASE, [], 16)
    assert found.kind == "good"
    assert found.sentences == [
        "The tagger finds the subject in 90% of its pictures; the base alone: 0%.",
        "It follows 80% of the prompt's other tags; the base alone: 100%.",
        "Near copies of training pictures: 2 of 16.",
    ]


def test_a_fault_or_a_finding_casts_doubt() -> None:
    assert verdict(best(0.9, 0.8, "3 of 16 pictures are blank"), BASE, [], 16).kind == "doubt"
    found = verdict(best(0.9, 0.8), BASE, [FINDING], 16)
    assert (found.kind, found.sentences[0]) == ("doubt", "Overfitted: by heart.")


def test_no_better_than_the_base_is_nothing_learned() -> None:
    assert verdict(best(0.1, 0.8), BASE, [], 16).kind == "bad"


def test_what_nothing_judged_is_for_the_eye() -> None:
    unscored = {"total": None, "against": [], "figures": {}}
    assert verdict(unscored, {}, [], 16).kind == "unknown"
    assert verdict(None, None, [], 16).kind == "unknown"
    assert verdict(None, None, [FINDING], 16).kind == "doubt"


def test_clip_alone_is_a_score() -> None:
    row = {"total": 0.3, "against": [], "figures": {"clip": 30.0}}
    found = verdict(row, {"clip": 20.0}, [], 16)
    assert found.kind == "good"
    assert found.sentences == ["CLIP gives its pictures 30.0 of 100; the base alone: 20.0."]
