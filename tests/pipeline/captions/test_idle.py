from collections.abc import Sequence

from pipeline.captions.caption import CaptionWriter
from pipeline.captions.edits import Edit
from pipeline.captions.idle import Effects, unused_edits, unused_patterns
from tests.pipeline.captions.filter_tags_config import config, row

ROWS = [row("zib/1", {"stripes": 0.9, "hat": 0.8}), row("zib/2", {"smile": 0.9})]


def effects_of(writer: CaptionWriter, edits: Sequence[Edit] = ()) -> Effects:
    effects = Effects(edits)
    for picture_id, caption in writer.captions(edits):
        effects.add(picture_id, caption)
    return effects


def test_edits_that_do_nothing_are_told_with_the_nearest_ids() -> None:
    edits = [
        Edit("zib/11", add=("x",)),
        Edit("zib/*", remove=("hat", "smile"), replace={"sky": ("sea",)}),
        Edit("qqqqq", set=""),
    ]
    writer = CaptionWriter(ROWS, config(blacklist=["smile"]))
    assert unused_edits(effects_of(writer, edits), writer.ids()) == [
        "zib/11: no picture has this id (did you mean zib/1 or zib/2?)",
        "zib/*: no caption has 'smile', so nothing is removed; correct or delete it",
        "zib/*: no caption has 'sky', so nothing is removed; correct or delete it",
        "qqqqq: no picture has this id",
    ]


def test_edits_of_pictures_that_are_left_out_are_no_typos() -> None:
    edits = [Edit("zib/3", add=("x",)), Edit("cat/*", add=("x",)), Edit("zib/4", add=("x",))]
    writer = CaptionWriter(ROWS, config())
    (said,) = unused_edits(effects_of(writer, edits), writer.ids(), ["zib/3", "cat/1"])
    assert said.startswith("zib/4: no picture has this id")


def test_patterns_that_name_no_tag_are_told_with_the_nearest_tags() -> None:
    settings = config(blacklist=["hat", "stripez", "qqqqq"], replace={"smile": ["smile", "grin"]})
    assert unused_patterns(settings, effects_of(CaptionWriter(ROWS, settings))) == [
        "filter_tags.blacklist names tags that no picture has, or that another entry already names:"
        " 'stripez' (did you mean stripes?), 'qqqqq'"
    ]
