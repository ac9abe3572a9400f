"""The rule on places made by hand."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.verdict.drift_scale import DriftScale
from pipeline.verdict.held_out_loss import HeldOutLoss
from pipeline.verdict.measures import BY_HEART, Place
from pipeline.verdict.rule import judged
from pipeline.verdict.sentences import seeds_to_settle, sentences
from pipeline.verdict.verdict_file import verdict_content

NUMBER = 24


def place(epoch: int, weight: float, against: tuple[str, ...] = (), **means: float) -> Place:
    """Values of a small spread that all places share: pairs tell means apart, whatever the seeds do."""
    spread = np.random.default_rng(1).normal(0, 0.05, NUMBER)
    own = np.random.default_rng([epoch, abs(round(10 * weight))]).normal(0, 0.01, NUMBER)
    shares = {"subject", "prompt", "retained", "bleed", "answers"}
    values = {
        name: np.arange(NUMBER) < round(NUMBER * mean) if name in shares else mean + spread + own
        for name, mean in means.items()
    }
    file = Path(f"zib-{epoch:06}.safetensors") if epoch else None
    arrays = {name: np.asarray(each, np.float64) for name, each in values.items()}
    return Place(file, epoch, weight, arrays, dict.fromkeys(values, [0] * NUMBER), against)


BASE = place(0, 0.0, identity=0.2, subject=0.0, prompt=1.0, quality=0.9)


def at(judged_place: Place | None) -> tuple[int, float]:
    assert judged_place is not None
    return judged_place.epoch, judged_place.weight


def test_the_weakest_of_those_that_cannot_be_told_apart() -> None:
    places = [
        place(15, 1.2, identity=0.801), place(10, 1.0, identity=0.8), place(5, 1.2, identity=0.5),
        place(15, 0.8, identity=0.799),
    ]  # fmt: skip
    found = judged(places, BASE)
    assert at(found.proposed) == (10, 1.0)
    assert [at(each) for each in found.equals] == [(10, 1.0), (15, 0.8), (15, 1.2)]
    assert [at(each) for each in found.order][-1] == (5, 1.2)


def test_what_loses_the_prompt_is_passed_over_and_named() -> None:
    places = [place(10, 1.0, identity=0.8, prompt=0.4), place(15, 1.0, identity=0.8, prompt=1.0)]
    found = judged(places, BASE)
    assert at(found.proposed) == (15, 1.0)
    assert [each.name for each in found.lost[10, 1.0]] == ["prompt"]
    said = sentences(found, BASE, num_seeds=6, num_held_out=8)
    assert said[0].startswith("Take epoch 15 at weight 1: likeness 0.8")
    assert "; the base alone 0.2" in said[0]
    assert said[1] == "As good, but at a cost: epoch 10 at weight 1 (follows the prompt less)."


def test_what_answers_fewer_questions_rightly_is_passed_over() -> None:
    places = [place(10, 1.0, identity=0.8, answers=0.3), place(15, 1.0, identity=0.8, answers=1.0)]
    found = judged(places, BASE)
    assert at(found.proposed) == (15, 1.0)
    assert [each.name for each in found.lost[10, 1.0]] == ["answers"]


def test_quality_is_held_against_the_equals_not_against_a_base_that_draws_something_else() -> None:
    places = [place(5, 1.0, identity=0.8, quality=0.3), place(10, 1.0, identity=0.8, quality=0.7)]
    assert at(judged(places, BASE).proposed) == (10, 1.0)
    assert judged([places[0]], BASE).lost[5, 1.0] == []


def test_where_all_lose_the_best_joint_score_is_taken_and_it_is_said() -> None:
    places = [place(5, 1.0, identity=0.8, prompt=0.3), place(10, 1.0, identity=0.8, prompt=0.6)]
    found = judged(places, BASE)
    assert at(found.proposed) == (10, 1.0)
    assert sentences(found, BASE, 6, 8)[1] == "Each of the best has a cost: this one follows the prompt less."


def test_a_fault_comes_after_everything_without_one() -> None:
    places = [place(10, 1.0, ("2 of 24 pictures are blank",), identity=0.9), place(5, 1.0, identity=0.3)]
    assert [at(each) for each in judged(places, BASE).order] == [(5, 1.0), (10, 1.0)]


def test_the_taggers_subject_decides_where_no_encoder_looks() -> None:
    found = judged([place(5, 1.0, subject=0.2), place(10, 1.0, subject=1.0)], BASE)
    assert found.main is not None
    assert (found.main.name, at(found.proposed)) == ("subject", (10, 1.0))
    assert sentences(found, BASE, 6, 8)[0].startswith("Take epoch 10 at weight 1: subject 100% (")


def test_without_measures_the_longest_training_at_the_highest_weight() -> None:
    found = judged([place(5, 1.0), place(10, 0.8), place(10, 1.0)], None)
    assert [at(each) for each in found.order] == [(10, 1.0), (10, 0.8), (5, 1.0)]
    assert sentences(found, None, 4, 0) == []
    assert found.main is None


def test_seeds_that_would_settle_it() -> None:
    near = [place(5, 1.0, identity=0.8), place(10, 1.0, identity=0.803)]
    found = judged(near, BASE)
    assert len(found.equals) == 2
    assert found.main is not None
    needed = seeds_to_settle(found.equals, found.main, 24)
    assert needed is not None
    assert 24 < needed <= 200
    assert f"About {needed} seeds" in sentences(found, BASE, 24, 8)[2]
    same = judged([place(5, 1.0, subject=1.0), place(10, 1.0, subject=1.0)], BASE)
    assert "equal for any eye" in sentences(same, BASE, 24, 8)[2]


def test_few_held_out_pictures_are_said() -> None:
    found = judged([place(5, 1.0, identity=0.8)], BASE)
    assert "more pictures held out of training (use.validation: holdout)" in sentences(found, BASE, 24, 1)[2]


def test_the_file_names_places_and_what_is_measured() -> None:
    found = judged([place(5, 1.0, identity=0.8)], BASE)
    content = verdict_content(found, BASE, ["one", "two"], 3)
    assert content["proposed"] == {"file": "zib-000005.safetensors", "epoch": 5, "weight": 1.0}
    assert content["decided_by"] == "identity"
    assert [each["name"] for each in content["measures"]] == ["identity"]
    assert content["measures"][0]["meaning"].endswith("the nearest picture that was held out of training")
    copied = verdict_content(found, BASE, [], 0)
    assert copied["measures"][0]["meaning"].endswith("the nearest training picture, since none is held out")
    assert content["base"]["identity"]["n"] == NUMBER
    assert content["joint"]["missing"] == ["prompt", "retained", "quality"]


def test_one_picture_a_place_settles_nothing_and_is_said() -> None:
    places = [of_values(1, 0.5), of_values(2, 0.6)]
    why, equals, settled = sentences(judged(places, of_values(0, 0.1)), of_values(0, 0.1), 1, None)
    assert why == "Take epoch 1 at weight 1: likeness 0.50 (of one picture); the base alone 0.10."
    assert equals.startswith("Epoch 2 at weight 1 is as good, as far as these pictures show")
    assert equals.endswith("; the proposed one is the weakest of them.")
    assert settled == "More seeds would tell them apart: one picture of each says nothing of chance."


def test_alone_and_without_rivals_is_not_ahead_of_them() -> None:
    only = judged([place(5, 1.0, identity=0.8)], BASE)
    said = ["No other place was drawn.", "More seeds would narrow the interval."]
    assert sentences(only, BASE, 24, None)[1:] == said
    burnt = place(10, 1.0, ("3 of 24 pictures are burnt",), identity=0.9)
    rivals = [place(5, 1.0, identity=0.8), burnt]
    assert sentences(judged(rivals, BASE), BASE, 24, 8)[1] == "Every other place has a fault."
    rivals.append(place(1, 1.0, identity=0.3))
    assert sentences(judged(rivals, BASE), BASE, 24, 8)[1] == "No other place without a fault comes close."
    faultless = [place(5, 1.0, identity=0.8), place(1, 1.0, identity=0.3)]
    assert sentences(judged(faultless, BASE), BASE, 24, 8)[1] == "No other place comes close."


def test_the_only_best_place_says_what_it_loses() -> None:
    found = judged([place(10, 1.0, identity=0.8, prompt=0.4), place(5, 1.0, identity=0.3, prompt=1.0)], BASE)
    assert sentences(found, BASE, 24, 8)[1] == "At a cost: it follows the prompt less."


def of_values(epoch: int, *identity: float) -> Place:
    values = {"identity": np.array(identity)}
    return Place(Path(f"zib-{epoch}.safetensors"), epoch, 1.0, values, {"identity": [0] * len(identity)})


def test_bleeding_is_lost_against_the_base_and_against_the_least_of_the_best() -> None:
    base = place(0, 0.0, identity=0.2, bleed=0.0)
    places = [place(5, 1.0, identity=0.8, bleed=0.9), place(10, 1.0, identity=0.8, bleed=0.0)]
    found = judged(places, base)
    assert at(found.proposed) == (10, 1.0)
    assert [each.name for each in found.lost[5, 1.0]] == ["bleed"]
    assert found.lost[10, 1.0] == []
    said = sentences(found, base, 24, 8)[1]
    assert said == "As good, but at a cost: epoch 5 at weight 1 (puts the subject into other things)."
    rivals = judged(places, None)  # without the base the other place shows it
    assert [each.name for each in rivals.lost[5, 1.0]] == ["bleed"]
    shared = judged([places[0]], place(0, 0.0, identity=0.2, bleed=0.9))
    assert shared.lost[5, 1.0] == []  # the base bleeds as much


def test_drift_is_lost_where_it_is_surely_above_the_scale() -> None:
    scale = DriftScale(seed=0.1, prompt=1.0)
    places = [place(5, 1.0, identity=0.8, drift=0.7), place(10, 1.0, identity=0.8, drift=0.3)]
    found = judged(places, BASE, scale=scale)
    assert at(found.proposed) == (10, 1.0)
    assert [each.name for each in found.lost[5, 1.0]] == ["drift"]
    assert found.lost[10, 1.0] == []
    # 0.505 is above, but not surely: the spread of the pictures is 0.05.
    near = judged([place(5, 1.0, identity=0.8, drift=0.505)], BASE, scale=scale)
    assert near.lost[5, 1.0] == []
    for without in (None, DriftScale(None, None)):
        assert judged(places, BASE, scale=without).lost[5, 1.0] == []
    only = judged([place(5, 1.0, identity=0.8, drift=0.7, prompt=0.4)], BASE, scale=scale)
    assert (
        sentences(only, BASE, 24, 8)[1] == "At a cost: it follows the prompt less and moves other things far."
    )


def test_a_little_more_drift_than_the_others_is_no_loss() -> None:
    places = [place(5, 1.0, identity=0.8, drift=0.1), place(10, 1.0, identity=0.8, drift=0.3)]
    found = judged(places, BASE, scale=DriftScale(seed=0.2, prompt=0.8))
    assert [at(each) for each in found.equals] == [(5, 1.0), (10, 1.0)]


def test_two_as_good_as_one_of_wide_scatter_may_differ_surely_once_that_is_passed_over() -> None:
    scatter = np.where(np.arange(NUMBER) % 2, 0.4, -0.4)
    wide = Place(
        Path("zib-000015.safetensors"), 15, 1.0,
        {"identity": 0.81 + scatter, "prompt": np.zeros(NUMBER)},
        {"identity": [0] * NUMBER, "prompt": [0] * NUMBER},
    )  # fmt: skip
    places = [place(5, 1.0, identity=0.7, prompt=1.0), place(10, 1.0, identity=0.8, prompt=1.0), wide]
    base = place(0, 0.0, identity=0.2, prompt=1.0)
    found = judged(places, base)
    assert len(found.lost) == 3  # all are as good as the one of wide scatter
    assert [at(each) for each in found.equals] == [(10, 1.0)]
    assert "epoch 5" not in " ".join(sentences(found, base, 24, 8))


def test_a_negative_weight_is_as_strong_as_a_positive_one() -> None:
    found = judged([place(10, -1.0, identity=0.8), place(5, 1.0, identity=0.8)], BASE)
    assert at(found.proposed) == (5, 1.0)


def test_where_all_of_the_best_lose_something_the_order_is_not_called_clear() -> None:
    places = [place(5, 1.0, identity=0.8, prompt=0.3), place(10, 1.0, identity=0.8, prompt=0.6)]
    assert sentences(judged(places, BASE), BASE, 24, 8)[2] == "More seeds would narrow the interval."


def test_sixty_equals_are_not_all_named() -> None:
    places = [place(epoch, 1.0, identity=0.8) for epoch in range(1, 61)]
    found = judged(places, None)
    more = len(found.equals) - 1 - 6
    assert more > 2  # else the test shows nothing
    said = sentences(found, None, 24, 8)[1]
    assert f" and {more} more are as good" in said
    assert said.count("at weight") == 6


@pytest.mark.parametrize(
    ("number", "expected"), [(1, "one picture of each"), (4, "so few pictures say little")]
)
def test_a_few_pictures_do_not_show_that_places_are_equal(number: int, expected: str) -> None:
    """Shares of yes and no have an interval even then."""
    one, two = (
        Place(Path(f"{epoch}"), epoch, 1.0, {"subject": np.zeros(number)}, {"subject": [0] * number})
        for epoch in (1, 2)
    )
    said = sentences(judged([one, two], None), None, number, 8)[2]
    assert expected in said
    assert "equal for any eye" not in said


def test_what_is_known_by_heart_comes_after_what_is_not_however_alike() -> None:
    bands = {100: 0.4, 300: 0.2, 500: 0.1}
    worse = {band: 1.5 * loss for band, loss in bands.items()}
    held_out = HeldOutLoss({0: bands, 5: bands, 10: worse}, {5: bands, 10: dict.fromkeys(bands, 0.01)})
    early, late = place(5, 1.0, identity=0.8), place(10, 1.0, identity=0.9)
    found = judged([late, early], BASE, held_out=held_out)
    assert at(found.proposed) == (5, 1.0)
    assert found.lost == {(5, 1.0): [], (10, 1.0): [BY_HEART]}
    said = sentences(found, BASE, 4, 8)[1]
    assert said == "As good, but at a cost: epoch 10 at weight 1 (knows its pictures by heart)."
    less = judged([place(10, 1.0, identity=0.7), early], BASE, held_out=held_out)
    assert less.lost == {(5, 1.0): []}  # no better: nobody asks why not
    only = judged([late], BASE, held_out=held_out)
    assert sentences(only, BASE, 4, 8)[1] == "At a cost: it knows its pictures by heart."
