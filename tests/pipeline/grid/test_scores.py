from pipeline.grid.scores import Seen, asked_tags, score, seen

KNOWN = ["smile", "night_sky", "stripes"]
PROMPTS = ["zib, smile", "zib, night sky"]
FOUND = [
    {"smile": 0.9, "night sky": 0.1, "stripes": 0.8},
    {"smile": 0.9, "night sky": 0.4, "stripes": 0.2},
]


def test_asked_tags_are_those_that_the_tagger_knows_beside_the_subject() -> None:
    assert asked_tags("zib, night sky, smile, stripes, moon", KNOWN, ["stripes"]) == ["night sky", "smile"]


def test_what_each_picture_shows_by_hand() -> None:
    assert seen(PROMPTS, FOUND, ["stripes"], 0.5) == [Seen(True, 1, 1), Seen(False, 0, 1)]
    assert seen(["zib"], FOUND[:1], ["stripes"], 0.5)[0].share is None


def test_shares_by_hand() -> None:
    result = score(seen(PROMPTS, FOUND, ["stripes"], 0.5))
    assert (result.subject, result.prompt) == (0.5, 0.5)
    assert score(seen(PROMPTS, FOUND, ["stripes", "smile"], 0.5)).subject == 0.5
    assert score(seen(["x"], [{"smile": 1.0}], ["stripes"], 0.5)).subject == 0.0
