import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.captions.budget import num_tokens
from pipeline.captions.caption import CaptionWriter
from pipeline.captions.edits import Edit
from pipeline.captions.finished import Caption
from pipeline.captions.patterns import Patterns
from pipeline.captions.text import same, spaced
from pipeline.errors import UserError
from tests.pipeline.captions.filter_tags_config import config, row

SCORES = {"long_hair": 0.9, "smile": 0.6, "hat": 0.35, "sky": 0.3}
CHARACTER: dict[str, Any] = {
    "identity_lists": ["hair", "eyes", "ears", "horns", "face", "body", "species", "clothes", "accessories"],
    "identity_share": 0.8,
    "keep_lists": ["people", "pose", "expression", "background", "framing", "composition"],
}


def write(one: dict[str, Any], *edits: Edit, **changes: object) -> Caption:
    return dict(CaptionWriter([one], config(**changes)).captions(edits))[one["id"]]


def reasons(caption: Caption) -> dict[str, str]:
    return {drop.tag: drop.rule for drop in caption.dropped}


def test_tags_from_the_threshold_on_by_falling_score_without_the_rating() -> None:
    one = row(scores={"general": SCORES, "rating": {"general": 0.99}})
    assert write(one).text == "long hair, smile, hat"


def test_the_trigger_is_first_and_once() -> None:
    assert write(row(general=SCORES), trigger="smile").text == "smile, long hair, hat"
    assert write(row(general=SCORES), trigger="zib").text.startswith("zib, long hair")


def test_each_concept_has_its_own_trigger_and_class_pictures_none() -> None:
    rows = [row("zib/0"), row("dog/0"), row("cat/0"), row("zib/1", is_class=True)]
    made = dict(CaptionWriter(rows, config(trigger={"zib": "zzz", "dog": "ddd"})).captions())
    assert {key: caption.text for key, caption in made.items()} == {
        "zib/0": "zzz",
        "dog/0": "ddd",
        "cat/0": "",
        "zib/1": "",
    }
    with pytest.raises(UserError, match=r"no picture is of the concept 'zip'; did you mean zib\?"):
        CaptionWriter(rows, config(trigger={"zip": "zzz"}))


@pytest.mark.parametrize("pattern", ["* hair", "long_hair", "*_hair", "long h?ir", "Long Hair"])
def test_the_blacklist_has_wildcards_and_takes_underscores_for_spaces(pattern: str) -> None:
    caption = write(row(general=SCORES), blacklist=[pattern])
    assert caption.kept == ("smile", "hat")
    assert reasons(caption) == {"long hair": f"blacklist {pattern}"}
    assert caption.dropped[0].score == 0.9


def test_a_replaced_tag_keeps_its_score_and_the_blacklist_sees_the_new_one() -> None:
    replace = {"long_hair": "hair", "smile": ["happy", "mouth"], "hat": []}
    caption = write(row(general=SCORES), replace=replace, blacklist=["mouth"])
    assert caption.text == "hair, happy"
    assert reasons(caption) == {
        "hat": "replace hat",
        "long hair": "replace long_hair",
        "mouth": "blacklist mouth",
        "smile": "replace smile",
    }
    assert [(added.tag, added.rule) for added in caption.added] == [
        ("hair", "replace long_hair"),
        ("happy", "replace smile"),
    ]


def test_tags_past_the_limit_are_dropped_and_said_so() -> None:
    caption = write(row(general=SCORES), max_tags=2, trigger="zib")
    assert caption.kept == ("zib", "long hair")
    assert reasons(caption) == {"hat": "max_tags 2", "smile": "max_tags 2"}


def test_the_limit_drops_the_least_sure_whatever_the_order() -> None:
    caption = write(row(general={"zebra": 0.9, "apple": 0.5, "1girl": 0.4}), max_tags=1, order="alphabet")
    assert caption.text == "zebra"


def test_the_token_budget_drops_the_last_tags() -> None:
    caption = write(row(general=SCORES), trigger="cat", max_tokens=6)
    assert caption.text == "cat, long hair, smile"  # cat , long hair , smile: six tokens
    assert reasons(caption) == {"hat": "max_tokens 6"}
    assert write(row(general=SCORES), trigger="cat", max_tokens=5).text == "cat, long hair"


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("prepend", "my cat, smile, long hair, hat"),
        ("append", "long hair, hat, my cat, smile"),
        ("replace", "my cat, smile"),
        ("ignore", "long hair, smile, hat"),
    ],
)
def test_a_caption_that_came_along(mode: str, text: str) -> None:
    assert write(row(general=SCORES, caption="my_cat, smile"), existing_caption=mode).text == text


def test_the_rules_hold_for_tags_that_came_along_but_not_inside_a_text() -> None:
    one = row(general={"sky": 0.9}, caption="A cat,  with hat.")
    assert write(one, blacklist=["with hat", "a cat"]).text == "with hat., sky"
    assert write(one, blacklist=["with hat", "a cat"], existing_form="text").text == "A cat, with hat, sky"


def test_a_finished_caption_keeps_its_words_and_loses_only_its_end_to_a_limit() -> None:
    one = row(caption="Zib, a cat with hat, on a bed,by night, asleep")
    changes: dict[str, Any] = {"existing_form": "text", "existing_caption": "replace", "trigger": "zib"}
    assert write(one, **changes, **CHARACTER).text == "zib, a cat with hat, on a bed,by night, asleep"
    caption = write(one, **changes, max_tags=3)
    assert caption.text == "zib, a cat with hat, on a bed,by night"
    assert reasons(caption) == {"asleep": "max_tags 3"}
    assert write(row(caption="zibbo runs"), **changes).text == "zib, zibbo runs"


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("prepend", "zib, a dog runs, run, smile"),
        ("append", "zib, run, smile, a dog runs"),
        ("replace", "zib, a dog runs, run"),
        ("ignore", "zib, run, smile"),
    ],
)
def test_a_sentence_is_joined_in_its_place(mode: str, text: str) -> None:
    one = row(general={"smile": 0.9}, caption="run", sentence="a dog\nruns.")
    assert write(one, sentence=mode, trigger="zib").text == text


def test_a_character_loses_who_it_is_and_keeps_what_varies() -> None:
    varying = ["smile", "closed_eyes", "standing", "outdoors", "upper_body", "1girl", "solo", ">_<"]
    own = ["blonde_hair", "blue_eyes", "cat_ears", "horns", "white_shirt", "hair_ribbon", "freckles"]
    caption = write(row(general=dict.fromkeys(varying + own, 0.9)), **CHARACTER)
    assert set(caption.kept) == {spaced(tag) for tag in varying}
    assert reasons(caption)["blonde hair"] == "identity hair * hair"
    assert reasons(caption)["white shirt"] == "identity clothes * shirt"


def test_what_nearly_all_pictures_share_belongs_to_the_character_unless_it_is_kept() -> None:
    rows = [row(f"zib/{n}", {"smile": 0.9, "sparkles": 0.9, "umbrella": 0.9 if n else 0.1}) for n in range(5)]
    class_picture = row("zib/class", {"sparkles": 0.9}, is_class=True)
    made = dict(CaptionWriter([*rows, class_picture], config(**{**CHARACTER, "keep": ["umbr*"]})).captions())
    assert made["zib/1"].kept == ("smile", "umbrella")
    assert reasons(made["zib/1"]) == {"sparkles": "identity_share 0.8: in 5 of 5"}
    assert made["zib/class"].kept == ("sparkles",)
    few = dict(CaptionWriter(rows[:4], config(**CHARACTER)).captions())
    assert "sparkles" in few["zib/1"].kept


def test_a_finer_tag_makes_the_general_one_superfluous_if_it_is_kept_itself() -> None:
    one = row(general={"shirt": 0.9, "white_shirt": 0.8, "ring": 0.7, "earrings": 0.6})
    caption = write(one, implications=True)
    assert caption.text == "white shirt, ring, earrings"
    assert reasons(caption) == {"shirt": "implied by white shirt"}
    assert write(one, implications=True, blacklist=["white shirt"]).kept[0] == "shirt"


def test_a_finer_tag_is_as_hard_to_drop_as_the_one_it_stands_for() -> None:
    one = row(general={"shirt": 0.9, "white_shirt": 0.4, "hat": 0.8})
    caption = write(one, implications=True, max_tags=1)
    assert caption.text == "white shirt"
    assert [(drop.tag, drop.score) for drop in caption.dropped] == [("hat", 0.8), ("shirt", 0.9)]


def test_a_rating_or_quality_word_in_all_pictures_is_nobodys_own() -> None:
    scores = {"general": {"thing": 0.9}, "quality": {"masterpiece": 0.9}, "rating": {"sensitive": 0.9}}
    rows = [row(f"zib/{n}", scores=scores) for n in range(5)]
    settings = config(**CHARACTER, categories=["general", "quality", "rating"])
    assert dict(CaptionWriter(rows, settings).captions())["zib/0"].text == "masterpiece, sensitive"


def test_escapes_are_written_last_and_underscores_on_demand() -> None:
    one = row(general={"mario_(game)": 0.9, ">_<": 0.8, "long_hair": 0.7, r"\o/": 0.6}, caption=r"a \(b\)")
    assert write(one).text == r"a (b), mario (game), >_<, long hair, \o/"
    assert write(one, escape=True).text == r"a \(b\), mario \(game\), >_<, long hair, \\o/"
    assert write(one, escape=True).kept == ("a (b)", "mario (game)", ">_<", "long hair", r"\o/")
    assert write(one, underscores=True).text == r"a_(b), mario_(game), >_<, long_hair, \o/"


def test_edits_come_after_the_rules_and_win_over_them() -> None:
    one = row(general=SCORES)
    edit = Edit("zib/*", add=("sky", "foo_bar"), remove=("sm*",), replace={"hat": ("cap", "brim")})
    caption = write(one, edit, blacklist=["sky"], trigger="zib", max_tags=1)
    assert caption.text == "zib, cap, brim, sky, foo bar"
    assert reasons(caption) == {"hat": "edit zib/*", "smile": "edit zib/*", "long hair": "max_tags 1"}
    assert write(one, edit, Edit("zib/0", set="a,b , a"), escape=True).text == "a,b , a"
    assert write(one, Edit("zib/0", set="")).text == ""
    later = [Edit("zib/0", set=r"a, \(b"), Edit("zib/0", add=("(c",), remove=("a",))]
    assert write(one, *later, escape=True).text == r"\(b, \(c"


words = st.sampled_from([
    "1girl", "2boys", "solo", "long_hair", "hair", "blue_eyes", "smile", "closed_eyes", "shirt",
    "white_shirt", "hat", "outdoors", "sky", ">_<", "(o)_(o)", "mario_(game)", "cat", "cat_ears",
    "animal_ears", "rare_thing",
])  # fmt: skip
score_maps = st.dictionaries(words, st.floats(0.3, 1).map(lambda score: round(score, 2)), max_size=12)
rows_of_pictures = st.lists(
    st.tuples(score_maps, st.booleans(), st.none() | st.lists(words, max_size=3).map(", ".join)),
    min_size=1,
    max_size=7,
).map(
    lambda found: [
        row(f"zib/{n}", scores, is_class=is_class, caption=caption)
        for n, (scores, is_class, caption) in enumerate(found)
    ]
)
changes_of_config = st.fixed_dictionaries(
    {
        "threshold": st.floats(0.3, 1),
        "selection": st.sampled_from(["threshold", "mcut"]),
        "trigger": st.sampled_from([None, "zibbo", "smile"]),
        "blacklist": st.lists(words.map(spaced) | st.sampled_from(["* hair", "*eyes", "?at"]), max_size=3),
        "replace": st.dictionaries(words, st.lists(words, max_size=2), max_size=2),
        "implications": st.booleans(),
        "order": st.sampled_from(["score", "frequency", "alphabet"]),
        "max_tags": st.integers(1, 8),
        "max_tokens": st.none() | st.integers(3, 30),
        "existing_caption": st.sampled_from(["prepend", "append", "replace", "ignore"]),
        "escape": st.booleans(),
        "underscores": st.booleans(),
        "identity_lists": st.sampled_from([[], CHARACTER["identity_lists"]]),
        "identity_share": st.sampled_from([None, 0.8]),
        "keep_lists": st.sampled_from([[], CHARACTER["keep_lists"]]),
    }
)
edits_of_pictures = st.lists(
    st.builds(
        Edit,
        st.sampled_from(["zib/0", "zib/*", "zib/1"]),
        add=st.lists(words, max_size=2).map(tuple),
        remove=st.lists(words, max_size=2).map(tuple),
    ),
    max_size=3,
)


@settings(deadline=None)  # the first builds the tokenizer
@given(rows_of_pictures, changes_of_config, edits_of_pictures, st.randoms(use_true_random=False))
def test_captions_follow_from_the_rows_whatever_their_order(
    rows: list[dict[str, Any]], changes: dict[str, Any], edits: list[Edit], order: random.Random
) -> None:
    def shuffled(scores: dict[str, float]) -> dict[str, float]:
        return dict(order.sample(list(scores.items()), len(scores)))

    mixed = [
        {**one, "scores": {"general": shuffled(one["scores"]["general"])}}
        for one in order.sample(rows, len(rows))
    ]
    alone, other = (CaptionWriter(some, config(**changes)).captions(edits) for some in (rows, mixed))
    assert dict(alone) == dict(other)


@settings(deadline=None)  # the first builds the tokenizer
@given(rows_of_pictures, changes_of_config)
def test_the_rules_hold_for_every_caption(rows: list[dict[str, Any]], changes: dict[str, Any]) -> None:
    blacklist, settings = Patterns(changes["blacklist"]), config(**changes)
    for picture_id, caption in CaptionWriter(rows, settings).captions():
        is_class = next(one["is_class"] for one in rows if one["id"] == picture_id)
        tags = list(caption.kept)
        assert caption.trigger == (None if is_class else settings.trigger)
        if caption.trigger:
            assert tags.pop(0) == caption.trigger
        assert len({same(tag) for tag in caption.kept}) == len(caption.kept)
        assert [tag for tag in tags if blacklist.find(tag)] == []
        assert len(caption.kept) <= max(settings.max_tags, len(caption.kept) - len(tags))
        assert settings.max_tokens is None or not tags or num_tokens(caption.text) <= settings.max_tokens


@settings(deadline=None)  # the first builds the tokenizer
@given(rows_of_pictures, changes_of_config)
def test_every_tag_over_the_threshold_is_kept_or_accounted_for(
    rows: list[dict[str, Any]], changes: dict[str, Any]
) -> None:
    plain = {
        **changes,
        "selection": "threshold",
        "replace": {},
        "existing_caption": "ignore",
        "trigger": None,
    }
    made = dict(CaptionWriter(rows, config(**plain)).captions())
    for one in rows:
        caption, found = made[one["id"]], one["scores"]["general"]
        over = {spaced(tag) for tag, score in found.items() if score >= changes["threshold"]}
        assert set(caption.kept) | reasons(caption).keys() == over
        assert not set(caption.kept) & reasons(caption).keys()


@settings(deadline=None)  # the first builds the tokenizer
@given(rows_of_pictures, changes_of_config, st.floats(0.3, 1))
def test_a_higher_threshold_never_adds_tags(
    rows: list[dict[str, Any]], changes: dict[str, Any], higher: float
) -> None:
    """Rules that look at other tags are off: without `white shirt`, `shirt` is rightly no longer superfluous,
    and a tag that fewer pictures show may stop belonging to the character.
    """
    alone = {"implications": False, "identity_share": None, "selection": "threshold", "max_tokens": None}
    least = changes["threshold"]
    before = dict(CaptionWriter(rows, config(**{**changes, **alone})).captions())
    after = dict(
        CaptionWriter(rows, config(**{**changes, **alone, "threshold": max(least, higher)})).captions()
    )
    assert all(set(after[key].kept) <= set(before[key].kept) for key in before)


@settings(deadline=None)  # the first builds the tokenizer
@given(rows_of_pictures, changes_of_config, edits_of_pictures)
def test_edits_win_over_every_rule(
    rows: list[dict[str, Any]], changes: dict[str, Any], edits: list[Edit]
) -> None:
    made = dict(CaptionWriter(rows, config(**changes)).captions(edits))
    for picture_id, caption in made.items():
        assert not set(caption.kept) & reasons(caption).keys()
        theirs = [edit for edit in edits if edit.target in (picture_id, "zib/*")]
        if theirs:
            assert {spaced(tag) for tag in theirs[-1].add} <= set(caption.kept)
            gone = {spaced(tag) for tag in theirs[-1].remove} - {spaced(tag) for tag in theirs[-1].add}
            assert not gone & set(caption.kept)
