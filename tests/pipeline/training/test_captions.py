from random import Random

import pytest

from pipeline.training.captions import longest_captions, plain_caption, shown_caption
from tests.pipeline.training.settings import train as config

pytestmark = pytest.mark.usefixtures("root")


def test_kept_tokens_stay_in_front_and_no_tag_is_lost() -> None:
    random, two_kept = Random(0), config(keep_tokens=2)
    shown = [shown_caption("zib, a, b, c, d", two_kept, random) for _ in range(20)]
    assert all(caption.startswith("zib, a, ") for caption in shown)
    assert {frozenset(caption.split(", ")) for caption in shown} == {frozenset({"zib", "a", "b", "c", "d"})}
    assert len(set(shown)) > 3


def test_unshuffled_captions_stay() -> None:
    assert shown_caption("a, b,c", config(shuffle_tags=False), Random(0)) == "a, b,c"


def test_the_wanted_share_is_dropped() -> None:
    random, quarter = Random(0), config(caption_dropout=0.25)
    empty = sum(shown_caption("a", quarter, random) == "" for _ in range(2000))
    assert 430 < empty < 570  # 500 expected, standard deviation 19


def test_every_so_many_epochs_have_no_captions() -> None:
    third = config(caption_dropout_every_epochs=3)
    shown = [shown_caption("a", third, Random(0), epoch=epoch) for epoch in range(7)]
    assert shown == ["a", "a", "", "a", "a", "", "a"]


def test_tags_are_left_out_but_never_those_that_are_kept() -> None:
    random, half = Random(0), config(tag_dropout=0.5, shuffle_tags=False)
    shown = [shown_caption("zib, a, b, c, d", half, random).split(", ") for _ in range(500)]
    assert all(
        tags[0] == "zib" and tags == sorted(tags, key=["zib", "a", "b", "c", "d"].index) for tags in shown
    )
    left = sum(len(tags) - 1 for tags in shown)
    assert 920 < left < 1080  # 1000 of 2000 expected, standard deviation 22
    assert shown_caption("zib, a, b", config(tag_dropout=1.0), random) == "zib"


def test_a_separator_keeps_both_ends_and_keep_tokens_does_not_count() -> None:
    marked = config(keep_tokens=3, keep_tokens_separator="|||")
    shown = {
        shown_caption("zib, hat ||| a, b, c ||| best quality", marked, Random(seed)) for seed in range(40)
    }
    assert all(text.startswith("zib, hat, ") and text.endswith(", best quality") for text in shown)
    assert len(shown) == 6
    still = config(keep_tokens_separator="|||", shuffle_tags=False)
    assert shown_caption("zib ||| a, b", still, Random(0)) == "zib, a, b"
    assert shown_caption("zib, a", still, Random(0)) == "zib, a"


def test_tags_are_parted_by_the_separator_and_joined_groups_move_as_one() -> None:
    grouped = config(caption_separator=";", secondary_separator="+", keep_tokens=0)
    shown = {shown_caption("red hat+blue bow;a", grouped, Random(seed)) for seed in range(20)}
    assert shown == {"red hat; blue bow; a", "a; red hat; blue bow"}
    marks = config(caption_separator=";", secondary_separator=";;;", keep_tokens_separator="|||")
    assert plain_caption("zib|||red hat;;;bow;a, b", marks) == "zib; red hat; bow; a, b"


def test_one_of_several_alternatives_is_drawn_a_showing() -> None:
    still = config(shuffle_tags=False)
    shown = [shown_caption("a, b\nc", still, Random(seed)) for seed in range(200)]
    assert set(shown) == {"a, b", "c"}
    assert 70 < shown.count("c") < 130  # 100 expected, standard deviation 7
    assert shown_caption("a, b\nc", still, Random(5)) == shown[5]
    assert plain_caption("a, b\nc", still) == "a, b"


def test_a_prefix_and_a_suffix_go_around_each_alternative_before_tags_are_kept() -> None:
    framed = config(caption_prefix="best,", caption_suffix=", end", keep_tokens=2)
    shown = {shown_caption("a, b\nc, d", framed, Random(seed)) for seed in range(60)}
    assert {text[:8] for text in shown} == {"best, a,", "best, c,"}
    assert shown_caption("a", config(caption_prefix="best,", caption_dropout=1.0), Random(0)) == ""
    assert longest_captions("a\nb", framed) == ["best, a , end", "best, b , end"]


def test_wildcards_are_drawn_a_showing_where_they_are_wanted() -> None:
    drawn = config(wildcards=True, shuffle_tags=False)
    shown = {shown_caption("a {red, big|blue} hat", drawn, Random(seed)) for seed in range(20)}
    assert shown == {"a red, big hat", "a blue hat"}
    assert plain_caption("a {red|blue} hat", drawn) == "a red hat"
    assert longest_captions("{red|green} hat", drawn) == ["green hat"]
    as_written = "a {red|blue} hat"
    assert shown_caption(as_written, config(shuffle_tags=False), Random(0)) == as_written


def test_a_template_is_filled_anew_in_each_step() -> None:
    random, lines = Random(0), ["a photo of [name], [filewords]", "[filewords] with [name]"]
    shown = {shown_caption("tree, hill", config(shuffle_tags=False), random, lines, "zib") for _ in range(20)}
    assert shown == {"a photo of zib, tree, hill", "tree, hill with zib"}
    assert shown_caption("tree", config(shuffle_tags=False), random, lines, "") == "tree"
    assert shown_caption("tree", config(caption_dropout=1.0), random, lines, "zib") == ""
