from pathlib import Path
from typing import get_args

import pytest

from pipeline.captions.identity import Identity, Occurrences
from pipeline.captions.word_lists import word_list
from pipeline.schemas.filter_tags import IdentityList, KeepList
from tests.conftest import ROOT
from tests.pipeline.captions.filter_tags_config import config

LISTS = ROOT / "pipeline" / "captions" / "lists"
NONE = Occurrences()
ALL = {"identity_lists": list(get_args(IdentityList)), "keep_lists": list(get_args(KeepList))}


def test_the_shipped_lists_are_those_that_the_settings_name() -> None:
    assert {path.stem for path in (LISTS / "identity").iterdir()} == set(get_args(IdentityList))
    assert {path.stem for path in (LISTS / "keep").iterdir()} == set(get_args(KeepList))


@pytest.mark.parametrize("path", sorted(LISTS.rglob("*.txt")), ids=lambda path: path.stem)
def test_a_list_has_a_heading_and_names_nothing_twice(path: Path) -> None:
    name = path.relative_to(LISTS).with_suffix("").as_posix()
    lines = word_list(name)
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert [line for line in set(lines) if lines.count(line) > 1] == []
    assert all(line == line.strip() for line in lines)


@pytest.mark.parametrize(
    "tag",
    [
        "long hair", "hair ribbon", "twintails", "red eyes", "heterochromia", "fox ears",
        "dragon horns", "tail", "freckles", "mole under eye", "dark skin", "school uniform",
        "black thighhighs", "detached sleeves", "glasses", "earrings", "choker", "cat girl",
        "large breasts", "ahoge", "green fur", "maid", "round body",
    ],
)  # fmt: skip
def test_who_it_is_is_dropped(tag: str) -> None:
    assert (Identity(config(**ALL)).reason(tag, NONE) or "").startswith("identity ")


@pytest.mark.parametrize(
    "tag",
    [
        "closed eyes", "one eye closed", "half-closed eyes", "round eyes", "hand in own hair",
        "adjusting eyewear", "floating hair", "wet hair", "holding hat", "open mouth", "smile",
        "light smile", ">_<", "sitting", "looking at viewer", "from above", "upper body",
        "full body", "simple background", "white background", "night sky", "meadow",
        "depth of field", "1girl", "6+girls", "multiple boys", "solo", "covering own ears",
        "arms up", "shirt lift", "hands in pockets", "no hat", "open clothes", "torn clothes",
        "cowboy shot", "skirt hold", "navel", "desert",
    ],
)  # fmt: skip
def test_what_varies_stays(tag: str) -> None:
    assert Identity(config(**ALL)).reason(tag, NONE) is None


def test_a_share_counts_pictures_not_tags() -> None:
    seen = Occurrences.of([["Hat", "hat"], ["hat"], ["hat"], ["hat", "sun"], ["sun"]])
    assert (seen.pictures, seen.count("hat"), seen.count("sun"), seen.count("moon")) == (5, 4, 2, 0)
    assert Identity(config(identity_share=0.8)).reason("hat", seen) == "identity_share 0.8: in 4 of 5"
    assert Identity(config(identity_share=0.81)).reason("hat", seen) is None
    assert Identity(config(identity_share=0.8, keep=["h?t"])).reason("hat", seen) is None
