import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.captions.rules import KAOMOJI, spaced, write_caption
from pipeline.config.schemas import FilterTags

SCORES = {"general": {"long_hair": 0.9, "smile": 0.6, "hat": 0.35, "sky": 0.3}, "rating": {"general": 0.99}}


def rules(**changes: object) -> FilterTags:
    defaults = {
        "threshold": 0.35,
        "trigger": None,
        "blacklist": [],
        "max_tags": 30,
        "existing_caption": "prepend",
    }
    return FilterTags.model_validate({**defaults, **changes})


def test_tags_from_the_threshold_on_by_falling_score_without_the_rating() -> None:
    assert write_caption(SCORES, None, rules()).text == "long hair, smile, hat"


def test_the_trigger_is_first_and_once() -> None:
    assert write_caption(SCORES, None, rules(trigger="smile")).text == "smile, long hair, hat"
    assert write_caption(SCORES, None, rules(trigger="zib")).text.startswith("zib, long hair")


@pytest.mark.parametrize("pattern", ["* hair", "long_hair", "*_hair", "long h?ir"])
def test_the_blacklist_has_wildcards_and_takes_underscores_for_spaces(pattern: str) -> None:
    caption = write_caption(SCORES, None, rules(blacklist=[pattern]))
    assert caption.kept == ("smile", "hat")
    assert caption.dropped == (("long hair", f"blacklist {pattern}"),)


def test_a_pattern_does_not_eat_words_that_contain_it() -> None:
    caption = write_caption(
        {"general": {"earrings": 0.9, "cat_ears": 0.9}}, None, rules(blacklist=["ring", "cat"])
    )
    assert caption.kept == ("cat ears", "earrings")


def test_tags_past_the_limit_are_dropped_and_said_so() -> None:
    caption = write_caption(SCORES, None, rules(max_tags=2, trigger="zib"))
    assert caption.kept == ("zib", "long hair")
    assert caption.dropped == (("hat", "max_tags 2"), ("smile", "max_tags 2"))


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("prepend", "my cat, smile, long hair, hat"),
        ("replace", "my cat, smile"),
        ("ignore", "long hair, smile, hat"),
    ],
)
def test_a_caption_that_came_along(mode: str, text: str) -> None:
    assert write_caption(SCORES, "my cat, smile", rules(existing_caption=mode)).text == text


def test_the_nineteen_kaomoji_keep_their_underscore() -> None:
    assert len(KAOMOJI) == 19
    assert all(spaced(face) == face for face in KAOMOJI)
    assert spaced("long_hair") == "long hair"


tags = st.dictionaries(
    st.from_regex(r"[a-z]{1,6}(_[a-z]{1,6})?", fullmatch=True), st.floats(0, 1), max_size=12
)


@given(tags, st.lists(st.from_regex(r"[a-z?*]{1,4}", fullmatch=True), max_size=3), st.floats(0, 1))
def test_every_tag_over_the_threshold_is_kept_or_accounted_for(
    scores: dict[str, float], blacklist: list[str], threshold: float
) -> None:
    config = rules(threshold=threshold, blacklist=blacklist, max_tags=5)
    caption = write_caption({"general": scores}, None, config)
    over = {spaced(tag) for tag, score in scores.items() if score >= threshold}
    assert set(caption.kept) | {tag for tag, _ in caption.dropped} == over
    assert not set(caption.kept) & {tag for tag, _ in caption.dropped}
