import re

import pytest

from pipeline.captions.finished import Caption
from pipeline.captions.preview import matching, preview
from pipeline.captions.tags import Added, Dropped
from pipeline.errors import UserError

CAPTIONS = {
    "zib/1": Caption(
        text="zib, smile",
        trigger="zib",
        kept=("zib", "smile"),
        dropped=(Dropped("hat", "blacklist h*", 0.5),),
        added=(Added("zib", "trigger"),),
    ),
    "dog/1": Caption("", None, (), (Dropped("a", "edit dog/1", None),), ()),
}


def test_what_is_kept_added_and_dropped_stands_in_lines() -> None:
    assert [line.split() for line in preview(CAPTIONS, colour=False).splitlines()] == [
        ["zib/1"],
        ["zib,", "smile"],
        ["+", "zib", "trigger"],
        ["-", "hat", "0.50", "blacklist", "h*"],
        [],
        ["dog/1"],
        [],
        ["-", "a", "edit", "dog/1"],
    ]


def test_colour_changes_nothing_but_the_colour() -> None:
    coloured = preview(CAPTIONS, colour=True)
    assert "\033[31m- hat" in coloured
    assert re.sub(r"\033\[\d+m", "", coloured) == preview(CAPTIONS, colour=False)


def test_pictures_are_chosen_by_id_or_pattern() -> None:
    assert list(matching("zib/1", CAPTIONS)) == ["zib/1"]
    assert list(matching("*/1", CAPTIONS)) == ["zib/1", "dog/1"]
    with pytest.raises(UserError, match=r"no picture has the id 'zib/2' \(did you mean zib/1"):
        matching("zib/2", CAPTIONS)
