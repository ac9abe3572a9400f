"""What is found of the proposed place, in sentences with figures by hand."""

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
        "sentence": "the subject appears in 50% of the pictures of other things; the base alone 0%: class"
        " pictures or train.preservation hold it back",
    }


def test_drift_has_its_scale() -> None:
    [found] = found_of(place(5, identity=0.8, drift=0.7), None, DriftScale(seed=0.12, prompt=1.0))
    assert found.kind == "drift"
    assert found.sentence == (
        "strong drift: pictures of other things move 0.70 from the base's own; another seed lies 0.12 away,"
        " another prompt 1.00: class pictures or train.preservation hold it back"
    )
    [alone] = found_of(place(5, identity=0.8, drift=0.7), None, DriftScale(seed=None, prompt=1.0))
    assert "from the base's own; another prompt lies 1.00 away: class" in alone.sentence


def test_a_trigger_that_was_not_learned_is_named_with_what_was() -> None:
    [found] = found_of(place(5, identity=0.8), trigger=UnknownTrigger(["zibbo"], "quolim"))
    assert found.kind == "trigger"
    assert found.sentence == (
        "the prompts begin with 'zibbo', which no caption of the training has: the network has not learned"
        " that; its captions have 'quolim' most often. Begin the prompts with what the captions have"
    )
    [two] = found_of(place(5, identity=0.8), trigger=UnknownTrigger(["a zibbo", "a hat"], None))
    assert "begin with 'a zibbo' and 'a hat', which no caption" in two.sentence
    assert "most often" not in two.sentence


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
