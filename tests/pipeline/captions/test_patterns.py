import pytest

from pipeline.captions.patterns import Patterns


@pytest.mark.parametrize(
    ("pattern", "names", "not_names"),
    [
        ("* hair", ["long hair", "very long hair"], ["hair", "hair bow", "long hairs"]),
        ("ring", ["ring", "Ring"], ["earrings", "earring", "ring finger"]),
        ("long_h?ir", ["long hair"], ["long hr", "long_hair"]),
        ("a[b]*", ["a[b]", "a[b]c"], ["ab"]),
        ("x.x", ["x.x"], ["xax"]),
        (">_<", [">_<"], ["> <"]),
        ("?", ["a", "?"], ["ab"]),
    ],
)
def test_whole_tags_are_named(pattern: str, names: list[str], not_names: list[str]) -> None:
    patterns = Patterns([pattern])
    assert [patterns.find(name) for name in names] == [pattern] * len(names)
    assert [patterns.find(name) for name in not_names] == [None] * len(not_names)


def test_an_exact_pattern_goes_before_wildcards_and_those_in_their_order() -> None:
    patterns = Patterns(["* fur", "green*", "green fur"])
    assert patterns.find("green fur") == "green fur"
    assert patterns.find("greenish fur") == "* fur"
