import pytest

from pipeline.captions.ordering import is_people, ordered
from pipeline.captions.tags import Tag
from tests.pipeline.captions.filter_tags_config import config

TAGS = [
    Tag("sky", 0.5), Tag("smile", 0.9), Tag("1girl", 0.4), Tag("hat", 0.5), Tag("solo", 0.8),
    Tag("general", 1.0, "rating"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("score", ["solo", "1girl", "smile", "hat", "sky", "general"]),
        ("alphabet", ["1girl", "solo", "hat", "sky", "smile", "general"]),
        ("frequency", ["1girl", "solo", "sky", "smile", "hat", "general"]),
    ],
)
def test_people_stand_first_and_a_rating_last(order: str, names: list[str]) -> None:
    found = ordered(TAGS, config(order=order), {"sky": 3, "1girl": 5})
    assert [tag.name for tag in found] == names


@pytest.mark.parametrize(
    "tag", ["solo", "1girl", "2boys", "6+girls", "1other", "multiple girls", "no humans"]
)
def test_counts_of_people(tag: str) -> None:
    assert is_people(tag)


@pytest.mark.parametrize("tag", ["girl", "solo focus", "1girl1boy", "cat girl", "multiple views"])
def test_others_count_no_people(tag: str) -> None:
    assert not is_people(tag)
