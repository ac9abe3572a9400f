import pytest

from pipeline.captions.selection import mcut, rating, select
from tests.pipeline.captions.filter_tags_config import config

SCORES = {
    "general": {"long_hair": 0.9, "smile": 0.35, "hat": 0.34},
    "character": {"miku": 0.9, "rin": 0.5},
    "copyright": {"vocaloid": 0.86, "game": 0.2},
    "rating": {"general": 0.7, "sensitive": 0.7, "explicit": 0.1},
}


def names(**changes: object) -> list[str]:
    return [tag.name for tag in select(SCORES, config(**changes))[0]]


def test_each_category_has_its_threshold_which_counts_itself() -> None:
    assert names() == ["miku", "long hair", "smile"]
    assert names(character_threshold=0.5, threshold=0.9) == ["miku", "rin", "long hair"]


def test_a_category_that_is_off_says_what_it_would_have_given() -> None:
    _, off = select(SCORES, config())
    assert [(drop.tag, drop.rule) for drop in off] == [("vocaloid", "category copyright is off")]
    assert names(categories=["copyright"]) == ["vocaloid"]


def test_a_category_that_the_settings_do_not_know_is_off_from_the_general_threshold_on() -> None:
    _, off = select({"species": {"fox": 0.5, "cat": 0.3}}, config())
    assert [(drop.tag, drop.rule) for drop in off] == [("fox", "category species is off")]


def test_the_likeliest_rating_counts_where_ratings_are_on() -> None:
    assert rating(SCORES, config()) == []
    (found,) = rating(SCORES, config(categories=["rating"]))
    assert (found.name, found.score) == ("general", 0.7)  # a tie goes to the alphabet


@pytest.mark.parametrize(
    ("scores", "cut"),
    [
        ([0.9, 0.85, 0.3, 0.2], 0.575),  # the fall of 0.55 after 0.85
        ([0.2, 0.3, 0.9, 0.85], 0.575),
        ([0.9, 0.8, 0.7], 0.35),  # the fall to 0, of all that was not stored
        ([0.5], 0.25),
        ([], 1.0),
        ([0.8, 0.4], 0.6),  # of equal falls the first
    ],
)
def test_mcut_cuts_where_scores_fall_most(scores: list[float], cut: float) -> None:
    assert mcut(scores) == pytest.approx(cut)


def test_mcut_takes_no_tag_below_its_least_score() -> None:
    assert names(selection="mcut") == ["miku", "rin", "long hair"]  # cuts at 0.25, and at 0.625
    assert names(selection="mcut", mcut_min=0.6) == ["miku", "long hair"]
