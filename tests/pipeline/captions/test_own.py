"""Captions that a person wrote stay whole, and what the rules do to them is counted."""

from typing import Any

import pytest

from pipeline.captions.caption import CaptionWriter
from pipeline.captions.edits import Edit
from pipeline.captions.finished import Caption
from pipeline.captions.own import OwnCaptions
from pipeline.config.compose import Params, compose
from pipeline.schemas import FilterTagsConfig
from tests.pipeline.captions.filter_tags_config import row

pytestmark = pytest.mark.usefixtures("root")
SEEN = {"smiling": 0.9, "blue_eyes": 0.8, "close-up": 0.7, "orange_suit": 0.6}


def character(**changes: Any) -> FilterTagsConfig:
    """conf's settings for a character."""
    values = compose(Params({}, {}))["filter_tags"]
    return FilterTagsConfig.model_validate({**values, "trigger": "myname", **changes})


def write(caption: str | None, *edits: Edit, **changes: Any) -> Caption:
    one = row(general=SEEN, caption=caption)
    return dict(CaptionWriter([one], character(**changes)).captions(edits))[one["id"]]


def counted(*captions: Caption) -> OwnCaptions:
    own = OwnCaptions()
    for caption in captions:
        own.add(caption)
    return own


def test_a_persons_sentence_is_never_cut() -> None:
    made = write("a woman in an orange suit, smiling", max_tokens=3, max_tags=1)
    assert made.text == "myname, a woman in an orange suit, smiling"
    assert write("a woman in an orange suit, smiling").text == (
        "myname, a woman in an orange suit, smiling, close-up"
    )
    assert write("A woman in a suit smiles.", existing_caption="replace").text == (
        "myname, A woman in a suit smiles."
    )
    assert write("a cat, a hat, a cat", existing_caption="append").text.endswith("a cat, a hat, a cat")


def test_a_persons_tags_stay_and_only_rules_that_name_them_change_them() -> None:
    mine = "myname, orange_suit, long hair, suit, blue eyes"
    made = write(mine, max_tags=1)
    assert made.text == "myname, orange suit, long hair, suit, blue eyes"
    assert counted(made).notes(75) == [
        "own captions: 1 (0 read as sentences, 1 as lists of tags); none changed",
        "own captions: 4 of their tags describe the character and stay, since a person wrote them;"
        " filter_tags.filter_existing: true removes them",
    ]
    made = write(mine, blacklist=["long_hair"], replace={"suit": "jacket"}, max_tags=1)
    assert made.text == "myname, orange suit, jacket, blue eyes"
    assert counted(made).summary()["own"] == {
        "texts": 0, "tag_lists": 1, "changed": 1, "too_long": 0, "lost_by": {"blacklist": 1, "replace": 1},
    }  # fmt: skip


def test_captions_of_a_booru_can_be_filtered_as_a_taggers() -> None:
    made = write("orange_suit, long hair, standing", filter_existing=True)
    assert made.text == "myname, standing, smiling, close-up"
    assert counted(made).notes(75) == [
        "own captions: 1 (0 read as sentences, 1 as lists of tags); 1 changed:"
        " 2 tags or clauses removed (identity 2)"
    ]


def test_what_edits_by_hand_take_away_is_the_persons_own_doing() -> None:
    made = write("hat, standing", Edit("zib/0", remove=("hat",)))
    assert "hat" not in made.kept
    assert counted(made).changed == 0


def test_an_own_caption_past_the_limit_is_told_and_none_says_nothing() -> None:
    notes = counted(write("a very long sentence about a woman", max_tokens=4)).notes(4)
    assert "1 are longer than filter_tags.max_tokens 4 and are not cut" in notes[1]
    assert counted(write(None)).notes(75) == []
    assert counted(write(None)).summary() == {}


def test_alternatives_are_written_a_line_each_and_each_by_its_own_form() -> None:
    made = write("a woman in an orange suit\nhat, sky", blacklist=["sky"], categories=[])
    assert made.text == "myname, a woman in an orange suit\nmyname, hat"
    assert made.kept == ("myname", "a woman in an orange suit", "hat")
    assert [own.is_text for own in made.own] == [True, False]
    assert write("a\nb", existing_caption="ignore", categories=[]).text == "myname"
    assert write("a\nb", Edit("zib/0", set="x, y")).text == "x, y"


def test_marks_are_known_to_every_rule_and_tags_go_before_the_last_one() -> None:
    marks = {"keep_tokens_separator": "|||", "secondary_separator": ";;;"}
    mine = "hat ||| red hat;;;blue bow;;;sky, tree ||| best quality"
    made = write(mine, **marks, blacklist=["blue bow", "hat"], trigger="zib")
    assert made.text == "zib ||| red hat;;;sky, tree, smiling, close-up ||| best quality"
    prose = write("a man ||| walks on the beach ||| best quality", **marks, existing_form="text")
    assert prose.text == "myname, a man ||| walks on the beach, smiling, close-up ||| best quality"


def test_another_separator_parts_and_joins() -> None:
    made = write(
        "red hat, large; bow\uff1bsky", caption_separator=";", blacklist=["bow"], existing_form="tags"
    )
    assert made.text == "myname; red hat, large; sky; smiling; close-up"


def test_weights_are_kept_where_brackets_are_escaped() -> None:
    made = write(
        r"(smile:1.2), mario \(game\), [hat], (sky:0.5)", escape=True, blacklist=["sky"], categories=[]
    )
    assert made.text == r"myname, (smile:1.2), mario \(game\), [hat]"
    assert made.kept == ("myname", "smile", "mario (game)", "hat")
