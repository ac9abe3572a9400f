import pytest

from pipeline.texts.lines import CaptionReader, tidy
from pipeline.texts.separators import Separators

TWO = "a woman in an orange suit\na girl who smiles on the beach"


@pytest.mark.parametrize(
    ("text", "caption", "form"),
    [
        (
            "1girl\nlong_hair\non_hip\n",
            "1girl, long_hair, on_hip",
            "tags",
        ),  # gallery-dl
        ("1girl\r\n\r\nsolo\r\n", "1girl, solo", "tags"),
        ("myname\n1girl, solo", "myname, 1girl, solo", "tags"),  # one whole caption is no choice
        (TWO, TWO, "alternatives"),
        ("1girl, solo\n\n1boy, hat", "1girl, solo\n1boy, hat", "alternatives"),
        ("1girl, solo,\nsmile,\nhat", "1girl, solo, smile, hat", "join"),
        (
            "A woman stands\nin front of a house.",
            "A woman stands in front of a house.",
            "join",
        ),
        ("A cat sits.\nA dog runs.", "A cat sits.\nA dog runs.", "alternatives"),
        ("a woman stands\nin front of a house", "a woman stands in front of a house", "join"),
        (
            "a woman in orange stands on the beach and\nlooks at the sea while the sun goes\ndown behind her",
            "a woman in orange stands on the beach and looks at the sea while the sun goes down behind her",
            "join",
        ),
        ("a cat sits on\nthe mat. it\nis red.", "a cat sits on the mat. it is red.", "join"),
        ("une femme en costume\norange sur la plage.", "une femme en costume orange sur la plage.", "join"),
        (
            "A woman stands before a house. She wears red.\n\nThe sky is blue. Birds fly.",
            "A woman stands before a house. She wears red. The sky is blue. Birds fly.",
            "join",
        ),
        (
            "A woman stands\nin front.\n\nThe sky\nis blue.",
            "A woman stands in front. The sky is blue.",
            "join",
        ),
        ("A woman stands still.\nShe wears red.", "A woman stands still. She wears red.", "join"),
        (
            "a woman in a red dress\nstands in a garden",
            "a woman in a red dress stands in a garden",
            "join",
        ),
        ("a photo of zib\nsmile\nblack hat", "a photo of zib, smile, black hat", "tags"),
        ("a woman in a suit\na girl on a beach", "a woman in a suit\na girl on a beach", "alternatives"),
        (
            "a woman stands\nin a house\n\na girl sits\non a beach",
            "a woman stands in a house\na girl sits on a beach",
            "alternatives",
        ),
        ("looking at viewer\nin water\non back", "looking at viewer, in water, on back", "tags"),
        ("one line", "one line", None),
        ("\n \n", "", None),
    ],
)
def test_several_lines_are_told_apart(text: str, caption: str, form: str | None) -> None:
    reader = CaptionReader()
    assert reader(text, "a.txt") == caption
    assert list(reader.forms) == ([form] if form else [])
    assert bool(reader.notes()) == bool(form)


@pytest.mark.parametrize(
    ("lines", "caption"),
    [
        ("alternatives", "1girl, solo\nhat"),
        ("tags", "1girl, solo, hat"),
        ("join", "1girl, solo hat"),
        ("first", "1girl, solo"),
    ],
)
def test_the_settings_may_say_what_lines_are(lines: str, caption: str) -> None:
    reader = CaptionReader(lines)
    assert reader("1girl, solo\nhat", "a.txt") == caption
    assert reader.notes() == []


def test_tags_of_lines_are_joined_by_the_separator() -> None:
    assert CaptionReader(separators=Separators(";"))("red hat\nbow, blue", "a.txt") == "red hat; bow, blue"


def test_what_no_one_can_see_is_removed_and_said() -> None:
    reader = CaptionReader()
    assert reader("1gi\x00rl\x1b[0m,\u200b solo\ufeff, \ud800x\u202e", "set/a.png") == "1girl[0m, solo, x"
    assert reader("fine \u0939\u093f\u200d, \U0001f469\u200d\U0001f680", "b.png")  # joiners are letters' own
    assert reader.notes() == ["control characters were removed from 1 captions: set/a.png"]


def test_blanks_and_empty_lines_go() -> None:
    assert tidy(" a \t b\r\n\n\u2028c\rd ") == "a b\nc\nd"


@pytest.mark.parametrize(
    ("text", "caption"),
    [
        ("1girl\tsolo\tsmile", "1girl, solo, smile"),
        ("1girl  solo   smile", "1girl, solo, smile"),
        ("1girl \t long hair   smile\n", "1girl, long hair, smile"),
        ("1girl\tsolo\n1boy\that", "1girl, solo\n1boy, hat"),
    ],
)
def test_tabs_and_several_blanks_part_tags_and_it_is_said(text: str, caption: str) -> None:
    reader = CaptionReader()
    assert reader(text, "set/a.png") == caption
    assert (
        "tabs or several spaces separate the tags of 1 captions; they were read as ',': set/a.png"
        in reader.notes()
    )


@pytest.mark.parametrize(
    "text", ["1girl, long\thair, smile", "1girl long_hair looking_at_viewer", "1girl  solo"]
)
def test_blanks_that_may_part_tags_are_said(text: str) -> None:
    reader = CaptionReader()
    assert reader(text, "set/a.png") == tidy(text)
    assert reader.notes() == [
        "spaces seem to separate the tags of 1 captions; put ',' between the tags: set/a.png"
    ]


@pytest.mark.parametrize(
    "text", ["A cat sits.  A dog runs.", "1girl,\tsolo,  smile", "long hair", "a  woman in a red suit"]
)
def test_gaps_that_part_nothing_are_blanks(text: str) -> None:
    reader = CaptionReader()
    assert reader(text, "set/a.png") == tidy(text)
    assert reader.notes() == []
