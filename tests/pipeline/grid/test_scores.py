from pipeline.grid.scores import asked_tags, score

KNOWN = ["smile", "night_sky", "stripes"]


def test_asked_tags_are_those_that_the_tagger_knows_beside_the_subject() -> None:
    assert asked_tags("zib, night sky, smile, stripes, moon", KNOWN, ["stripes"]) == ["night sky", "smile"]


def test_shares_by_hand() -> None:
    prompts = ["zib, smile", "zib, night sky"]
    found = [
        {"smile": 0.9, "night sky": 0.1, "stripes": 0.8},
        {"smile": 0.9, "night sky": 0.4, "stripes": 0.2},
    ]
    result = score(prompts, found, ["stripes"], 0.5)
    assert (result.subject, result.prompt) == (0.5, 0.5)
    assert score(prompts, found, ["stripes", "smile"], 0.5).subject == 0.5
    assert score(["x"], [{"smile": 1.0}], ["stripes"], 0.5).subject == 0.0
