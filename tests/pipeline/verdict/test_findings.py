"""What is found of the proposed place, in sentences with figures by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.verdict.drift_scale import DriftScale
from pipeline.verdict.findings import VerdictFinding, findings
from pipeline.verdict.held_out_loss import HeldOutLoss
from pipeline.verdict.measures import Place
from pipeline.verdict.rule import Judgement, judged
from pipeline.verdict.trigger import UnknownTrigger

NUMBER = 16


def place(epoch: int, **means: float) -> Place:
    """Shares of as many pictures; other measures a hair around their mean."""
    hair = np.linspace(-0.01, 0.01, NUMBER)
    values = {
        name: (np.arange(NUMBER) < NUMBER * mean).astype(np.float64) if name == "bleed" else mean + hair
        for name, mean in means.items()
    }
    return Place(Path("zib.safetensors"), epoch, 1.0, values, dict.fromkeys(values, [0] * NUMBER))


def found_of(
    proposed: Place,
    base: Place | None = None,
    scale: DriftScale | None = None,
    trigger: UnknownTrigger | None = None,
    losses: HeldOutLoss | None = None,
) -> list[VerdictFinding]:
    return findings(judged([proposed], base, scale=scale), base, scale, trigger, losses)


def test_nothing_is_found_of_a_healthy_place_or_of_none() -> None:
    assert found_of(place(5, identity=0.8), place(0, identity=0.2)) == []
    nothing = Judgement([], [], None, {}, lambda _: None)
    assert findings(nothing, None, None, UnknownTrigger(["zibbo"], "quolim"), None) == []


def test_bleeding_has_the_bases_share_and_a_cure() -> None:
    [found] = found_of(place(5, identity=0.8, bleed=0.5), place(0, identity=0.2, bleed=0.0))
    assert found.as_dict() == {
        "kind": "bleeding",
        "sentence": "the subject appears in 50% of the pictures of other things; the base alone 0%: a"
        " lower weight moves less; class pictures or train.preservation may hold it back",
    }


def test_two_of_eight_pictures_are_said_though_they_are_not_surely_lost() -> None:
    few = [
        replace(each, values={name: array[:8] for name, array in each.values.items()},
                prompts={name: [0] * 8 for name in each.prompts})
        for each in (place(5, identity=0.8, bleed=2 / 16), place(0, identity=0.2, bleed=0.0))
    ]  # fmt: skip
    judgement = judged(few[:1], few[1])
    assert judgement.lost[5, 1.0] == []
    [found] = findings(judgement, few[1], None, None, None)
    assert found.sentence.startswith("the subject appears in 25% of the pictures of other things")


def test_drift_has_its_scale() -> None:
    [found] = found_of(place(5, identity=0.8, drift=0.7), None, DriftScale(seed=0.12, prompt=1.0))
    assert found.kind == "drift"
    assert found.sentence == (
        "strong drift: pictures of other things move 0.70 from the base's own; another seed lies 0.12 away,"
        " another prompt 1.00: a lower weight moves less; class pictures or train.preservation may hold it"
        " back"
    )
    [alone] = found_of(place(5, identity=0.8, drift=0.7), None, DriftScale(seed=None, prompt=1.0))
    assert "from the base's own; another prompt lies 1.00 away: a lower weight" in alone.sentence


def test_a_trigger_that_was_not_learned_is_named_with_what_was() -> None:
    [found] = found_of(place(5, identity=0.8), trigger=UnknownTrigger(["zibbo"], "quolim"))
    assert found.kind == "trigger"
    assert found.sentence == (
        "the prompts begin with 'zibbo', which no caption of the training has: the network has not learned"
        " that; its captions have 'quolim'. Begin the prompts with what the captions have"
    )
    [two] = found_of(place(5, identity=0.8), trigger=UnknownTrigger(["a zibbo", "a hat"], "quolim"))
    assert "begin with 'a zibbo' and 'a hat', which no caption" in two.sentence
    [many] = found_of(place(5, identity=0.8), trigger=UnknownTrigger([*"abcdefgh"], "quolim"))
    assert "begin with 'a' and 'b' and 'c' and 5 more, which no caption" in many.sentence


def test_learned_by_heart_has_the_rise_the_bands_and_the_fall() -> None:
    bands = (100, 300, 500, 700)
    held_out = {0: 1.0, 2: 0.4, 9: 0.6}
    losses = HeldOutLoss(
        {epoch: dict.fromkeys(bands, loss) for epoch, loss in held_out.items()},
        {epoch: dict.fromkeys(bands, loss) for epoch, loss in {0: 1.0, 2: 0.2, 9: 0.05}.items()},
    )
    [found] = found_of(place(9, identity=0.8), losses=losses)
    assert found.kind == "by_heart"
    assert found.sentence == (
        "learned by heart: from epoch 2 to epoch 9 the loss on held-out pictures rises by 50%, the mean of 4"
        " noise bands (surely by more than 50%), while that on training pictures falls by 75%: take an"
        " earlier epoch, train for fewer, or add pictures"
    )
    assert found_of(place(2, identity=0.8), losses=losses) == []


def test_less_than_half_of_the_way_to_real_pictures_is_little() -> None:
    base = place(0, identity=-0.2, subject=0.0)
    judgement = judged([place(1, identity=0.1)], base)
    [found] = findings(judgement, base, None, None, None, ceiling=0.8)
    assert found.kind == "learned_little"
    assert found.sentence == (
        "little is learned: by likeness it is 30% of the way from the base alone to real pictures; train for"
        " longer, or change the rate as the training's own findings say"
    )
    assert findings(judgement, base, None, None, None, ceiling=None) == []
    assert findings(judgement, None, None, None, None, ceiling=0.8) == []
    half = judged([place(1, identity=0.3)], base)
    assert findings(half, base, None, None, None, ceiling=0.8) == []
    worse = judged([place(1, identity=-0.5)], base)
    assert "is 0% of the way" in findings(worse, base, None, None, None, ceiling=0.8)[0].sentence


def test_without_an_encoder_the_taggers_subject_says_how_little() -> None:
    subject = {"subject": np.float64(np.arange(NUMBER) < 1) * np.ones(NUMBER)}
    few = Place(Path("zib.safetensors"), 1, 1.0, subject, {"subject": [0] * NUMBER})
    alone = Place(None, 0, 0.0, {"subject": np.zeros(NUMBER)}, {"subject": [0] * NUMBER})
    [found] = findings(judged([few], alone), alone, None, None, None)
    assert (
        "by subject it is 6% of the way from the base alone to the subject in every picture" in found.sentence
    )


def test_the_cure_of_bleeding_and_drift_is_said_once() -> None:
    proposed, base = place(5, identity=0.8, bleed=0.5, drift=0.7), place(0, identity=0.2, bleed=0.0)
    first, last = found_of(proposed, base, DriftScale(seed=0.12, prompt=1.0))
    assert first.sentence.endswith("the base alone 0%")
    assert last.sentence.endswith("may hold it back")
