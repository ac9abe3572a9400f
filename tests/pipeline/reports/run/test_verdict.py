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
    unscored: dict[str, Any] = {"total": None, "against": [], "figures": {}}
    assert verdict(unscored, {}, [], 16).kind == "unknown"
    assert verdict(None, None, [], 16).kind == "unknown"
    assert verdict(None, None, [FINDING], 16).kind == "doubt"


def test_clip_alone_is_a_score() -> None:
    row = {"total": 0.3, "against": [], "figures": {"clip": 30.0}}
    found = verdict(row, {"clip": 20.0}, [], 16)
    assert found.kind == "good"
    assert found.sentences == ["CLIP gives its pictures 30.0 of 100; the base alone: 20.0."]


def test_the_gain_is_the_score_less_the_bases() -> None:
    assert verdict(best(0.9, 0.8), BASE, [], 16).gain == 0.7
    assert verdict(best(0.9, 0.8), None, [], 16).gain is None
    assert verdict(best(0.9, 0.8), {"sharpness": 3.0}, [], 16).gain is None


HELD_OUT = {"best_epoch": 5, "validation_loss": 0.08, "validation_loss_base": 0.1}


def test_held_out_loss_is_the_second_measure() -> None:
    row = {**best(0.9, 0.8), "epoch": 5}
    found = verdict(row, BASE, [], 16, HELD_OUT)
    assert found.kind == "good"
    assert found.sentences[-1] == (
        "On held-out pictures the loss is 20.0% below the base's, at its best after epoch 5,"
        " the proposed one."
    )


def test_measures_that_disagree_cast_doubt_both_ways() -> None:
    worse = {**HELD_OUT, "validation_loss": 0.11}
    found = verdict(best(0.9, 0.8), BASE, [], 16, worse)
    assert (found.kind, found.word) == ("doubt", "The measures disagree")
    found = verdict(best(0.1, 0.8), BASE, [], 16, HELD_OUT)
    assert (found.kind, found.word) == ("doubt", "The measures disagree")
    slightly = {**HELD_OUT, "validation_loss": 0.097}
    assert verdict(best(0.1, 0.8), BASE, [], 16, slightly).kind == "bad"


def test_a_lone_tagger_is_named_as_such() -> None:
    assert "only measure" in verdict(best(0.9, 0.8), BASE, [], 16, {"steps": 3}).sentences[-1]
    by_clip = verdict(best(0.9, 0.8, clip=30.0), {**BASE, "clip": 20.0}, [], 16, {"steps": 3})
    assert not any("only measure" in sentence for sentence in by_clip.sentences)


def test_soft_pictures_are_to_be_looked_at_though_the_tagger_is_content() -> None:
    found = verdict(best(0.9, 0.8, sharpness=40.0), {**BASE, "sharpness": 100.0}, [], 16)
    assert found.sentences[0] == ("Its pictures have 40% of the base's sharpness: they may be smeared.")
    assert (found.kind, found.word) == ("doubt", "Look twice")
    found = verdict(best(0.9, 0.8, sharpness=50.0), {**BASE, "sharpness": 100.0}, [], 16)
    assert not any("sharpness" in sentence for sentence in found.sentences)


def test_the_verdicts_sentences_come_first_and_the_subject_is_said_once() -> None:
    measured = {"sentences": ["Take epoch 5.", "No other comes close."], "decided_by": "subject", "base": {}}
    found = verdict(best(0.9, 0.8), BASE, [], 16, measured=measured)
    assert found.sentences == [
        "Take epoch 5.",
        "No other comes close.",
        "It follows 80% of the prompt's other tags; the base alone: 100%.",
    ]


def test_quality_that_is_surely_below_the_bases_is_a_doubt() -> None:
    def quality(mean: float) -> dict[str, dict[str, float]]:
        return {"quality": {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}}

    measured: dict[str, Any] = {"sentences": [], "decided_by": None, "base": quality(0.9)}
    smeared = {**best(0.9, 0.8), "measures": quality(0.4)}
    found = verdict(smeared, BASE, [], 16, measured=measured)
    assert (found.kind, found.sentences[0]) == (
        "doubt", "The aesthetic head gives its pictures 0.40, the base's 0.90: look at faces and edges.",
    )  # fmt: skip
    close = {**best(0.9, 0.8), "measures": quality(0.75)}
    assert verdict(close, BASE, [], 16, measured=measured).kind == "good"


def test_the_joint_score_is_said_side_by_side_with_what_is_missing() -> None:
    joint = {"value": 0.75, "sides": {"identity": 0.5, "prompt": 1.0}, "missing": ["retained", "quality"]}
    measured = {"sentences": ["Take it."], "decided_by": "subject", "base": {}, "joint": joint}
    found = verdict(best(0.9, 0.8), BASE, [], 16, measured=measured)
    expected = "Joint score 0.75: identity 50%, prompt 100%; not measured: retained, quality."
    assert found.sentences[:2] == ["Take it.", expected]


def test_what_the_grids_verdict_finds_casts_doubt_before_all_else() -> None:
    found = [{"kind": "trigger", "sentence": "the prompts begin with 'zibbo'"}]
    measured = {"sentences": ["Take epoch 5."], "decided_by": "identity", "joint": None, "found": found}
    judged = verdict(best(0.9, 0.8), BASE, [], 16, measured={**measured, "base": {}})
    assert (judged.kind, judged.word) == ("doubt", "Look twice")
    assert judged.sentences[0] == "The prompts begin with 'zibbo'."
    clean = verdict(best(0.9, 0.8), BASE, [], 16, measured={**measured, "base": {}, "found": []})
    assert (clean.kind, clean.word) == ("good", "It has learned")


def by_eye(low: float, mean: float) -> dict[str, Any]:
    """Of a place that only an encoder looked at."""
    likeness = {"identity": {"mean": mean, "low": low, "high": 1.0}}
    return {"total": None, "against": [], "figures": {"identity": mean}, "measures": likeness}


def test_an_encoder_alone_is_a_judge_too() -> None:
    base = {"identity": {"mean": 0.2, "low": 0.1, "high": 0.3}}
    measured = {"sentences": ["Take it."], "decided_by": "identity", "base": base}
    found = verdict(by_eye(0.5, 0.6), {}, [], 16, measured=measured)
    assert (found.kind, found.said, found.gain) == ("good", ["Take it."], None)
    found = verdict(by_eye(0.1, 0.6), {}, [], 16, measured=measured)
    assert (found.kind, found.word) == ("bad", "Not surely better than the base")


def test_what_speaks_against_it_is_apart_from_the_verdict() -> None:
    measured: dict[str, Any] = {
        "sentences": ["Take it.", "Alone.", "More seeds."],
        "decided_by": None,
        "base": {},
    }
    found = verdict(best(0.9, 0.8, "blank"), BASE, [FINDING], 16, measured=measured)
    assert (found.said, found.faults) == (measured["sentences"], ["Overfitted: by heart.", "Blank."])


def test_what_needs_no_score_is_said_where_nothing_scored() -> None:
    unscored = {"total": None, "against": ["3 of 16 pictures are blank"], "figures": {"sharpness": 1.0}}
    found = [{"kind": "trigger", "sentence": "the prompts begin with 'zibbo'"}]
    measured: dict[str, Any] = {"sentences": [], "decided_by": None, "base": {}, "found": found}
    judged = verdict(unscored, {"sharpness": 4.0}, [], 16, measured=measured)
    assert (judged.kind, judged.word) == ("doubt", "Judge by eye")
    assert judged.faults == [
        "3 of 16 pictures are blank.",
        "The prompts begin with 'zibbo'.",
        "Its pictures have 25% of the base's sharpness: they may be smeared.",
    ]
    assert judged.said == ["No tagger and no CLIP model scored the pictures: compare them yourself."]


def test_a_grid_of_other_places_is_not_called_unscored() -> None:
    [said] = verdict(None, BASE, [], 16).said
    assert said.startswith("The grid draws no place of this training")
