import pytest

from pipeline.training.class_captions import class_caption, class_of
from tests.pipeline.training.settings import train

pytestmark = pytest.mark.usefixtures("root")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("a zib, red scarf", "a dog, red scarf"),
        ("Zib playing, (zib:1.2)", "dog playing, (dog:1.2)"),
        ("zibra, a zib", "zibra, a dog"),  # whole words only
        ("red scarf", "dog"),  # the trigger is dropped
        ("", "dog"),
    ],
)
def test_the_class_takes_the_place_of_the_trigger(shown: str, expected: str) -> None:
    assert class_caption(shown, "zib", "dog", "differential") == expected
    assert class_caption(shown, "zib", "dog", "prior") == "dog"


def test_a_trigger_is_no_pattern_and_a_class_no_template() -> None:
    assert class_caption("z.b+, zab+", "z.b+", r"\\1 dog", "differential") == r"\\1 dog, zab+"


def test_classes_are_for_all_concepts_or_by_concept() -> None:
    assert class_of("a", train(preservation_class="dog")) == "dog"
    by_concept = train(preservation_class={"a": "dog", "b": "cat"})
    assert [class_of(each, by_concept) for each in "abc"] == ["dog", "cat", None]
