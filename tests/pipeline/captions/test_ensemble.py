from hypothesis import given
from hypothesis import strategies as st

from pipeline.captions.ensemble import Ensemble
from pipeline.captions.labels import Label

WD = [
    Label("general", "rating"),
    Label("1girl", "general"),
    Label("smile", "general"),
    Label("miku", "character"),
]
DEEP = [
    Label("rating:safe", "rating"),
    Label("1girl", "general"),
    Label("miku", "general"),
    Label("general", "meta"),
]


def test_the_mean_is_over_the_taggers_that_know_the_tag() -> None:
    found = Ensemble([WD, DEEP]).mean(
        [
            {"rating": {"general": 0.8}, "general": {"1girl": 0.9, "smile": 0.4}, "character": {"miku": 0.5}},
            {
                "rating": {"rating:safe": 0.7},
                "general": {"1girl": 0.6, "miku": 0.1},
                "meta": {"general": 0.3},
            },
        ],
        0.005,
    )
    assert found == {
        "rating": {"general": 0.8, "rating:safe": 0.7},
        "general": {"1girl": 0.75, "smile": 0.4},
        "character": {"miku": 0.3},
        "meta": {"general": 0.3},
    }


def test_what_a_tagger_knows_and_did_not_keep_counts_as_nothing() -> None:
    ensemble = Ensemble([WD, DEEP])
    assert ensemble.mean([{"general": {"1girl": 0.5}}, {}], 0.005) == {"general": {"1girl": 0.25}}
    assert ensemble.mean([{"general": {"1girl": 0.009}}, {}], 0.005) == {}


@given(st.lists(st.floats(0.005, 1).map(lambda x: round(x, 3)), min_size=4, max_size=4))
def test_one_tagger_is_left_as_it_is(scores: list[float]) -> None:
    found: dict[str, dict[str, float]] = {}
    for label, score in zip(WD, scores, strict=True):
        found.setdefault(label.category, {})[label.name] = score
    assert Ensemble([WD]).mean([found], 0.005) == found


def test_no_tagger_gives_no_scores() -> None:
    assert Ensemble([]).mean([], 0.005) == {}
