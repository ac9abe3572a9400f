from random import Random

from pipeline.config.compose import Params, compose
from pipeline.config.schemas import Train
from pipeline.training.captions import shown_caption


def config(**changes: object) -> Train:
    return Train.model_validate({**compose(Params({}, {}))["train"], **changes})


def test_kept_tokens_stay_in_front_and_no_tag_is_lost(root: object) -> None:
    random, two_kept = Random(0), config(keep_tokens=2)
    shown = [shown_caption("zib, a, b, c, d", two_kept, random) for _ in range(20)]
    assert all(caption.startswith("zib, a, ") for caption in shown)
    assert {frozenset(caption.split(", ")) for caption in shown} == {frozenset({"zib", "a", "b", "c", "d"})}
    assert len(set(shown)) > 3


def test_unshuffled_captions_stay(root: object) -> None:
    assert shown_caption("a, b, c", config(shuffle_tags=False), Random(0)) == "a, b, c"


def test_the_wanted_share_is_dropped(root: object) -> None:
    random, quarter = Random(0), config(caption_dropout=0.25)
    empty = sum(shown_caption("a", quarter, random) == "" for _ in range(2000))
    assert 430 < empty < 570  # 500 expected, standard deviation 19


def test_a_template_is_filled_anew_in_each_step(root: object) -> None:
    random, lines = Random(0), ["a photo of [name], [filewords]", "[filewords] with [name]"]
    shown = {shown_caption("tree, hill", config(shuffle_tags=False), random, lines, "zib") for _ in range(20)}
    assert shown == {"a photo of zib, tree, hill", "tree, hill with zib"}
    assert shown_caption("tree", config(shuffle_tags=False), random, lines, "") == "tree"
    assert shown_caption("tree", config(caption_dropout=1.0), random, lines, "zib") == ""
