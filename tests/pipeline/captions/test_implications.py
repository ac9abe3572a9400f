import pytest

from pipeline.captions.implications import superfluous
from pipeline.captions.word_lists import pairs


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["shirt", "white shirt"], {"shirt": "white shirt"}),
        (
            ["shirt", "white shirt", "long white shirt"],
            {"shirt": "long white shirt", "white shirt": "long white shirt"},
        ),
        (["hair", "long hair", "very long hair"], {"hair": "very long hair", "long hair": "very long hair"}),
        (["animal ears", "cat ears"], {"animal ears": "cat ears"}),
        (["multiple girls", "2girls"], {"multiple girls": "2girls"}),
        (["swimsuit", "bikini", "red bikini"], {"bikini": "red bikini", "swimsuit": "red bikini"}),
        (["hat", "witch hat"], {"hat": "witch hat"}),
        (["simple background", "white background"], {"simple background": "white background"}),
        (["holding", "sword", "holding sword"], {"holding": "holding sword", "sword": "holding sword"}),
    ],
)
def test_a_finer_tag_makes_the_general_one_superfluous(tags: list[str], found: dict[str, str]) -> None:
    assert superfluous(tags) == found
    assert superfluous(reversed(tags)) == found


@pytest.mark.parametrize(
    "tags",
    [
        ["ring", "earrings", "earring", "key ring", "string", "ring finger"],
        ["cat", "cat ears", "cat tail", "stuffed cat", "cat girl", "catfish"],
        ["hat", "hat ribbon", "chat", "no hat", "unworn hat", "hatching"],
        ["bow", "bowtie", "elbow gloves", "rainbow", "hair bow", "bow (weapon)", "crossbow"],
        ["tie", "necktie", "untied", "hair tie", "tied shirt"],
        ["back", "on back", "looking back", "arched"],
        ["dog", "hot dog"],
        ["hair", "eyes visible through hair", "hair over one eye"],
        ["nipples", "covered nipples"],
        ["girl", "1girl"],
        ["sky", "skyscraper"],
    ],
)
def test_words_inside_words_and_other_things_of_that_name_eat_nothing(tags: list[str]) -> None:
    assert superfluous(tags) == {}


def test_the_listed_pairs_have_two_sides_and_never_come_round() -> None:
    listed = pairs("implications")
    assert all(finer and general and finer != general for finer, general in listed)
    assert len(set(listed)) == len(listed)
    left = {finer for finer, _ in listed} | {general for _, general in listed}
    chain = superfluous(left)
    assert all(end not in chain for end in chain.values())
