import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.captions.labels import (
    Label,
    deepdanbooru_labels,
    named_scores,
    read_selected_tags,
    read_tag_mapping,
)
from pipeline.errors import UserError


def test_scores_are_named_by_category_and_kept_from_the_least_on() -> None:
    labels = [Label("safe", "rating"), Label("greenish", "general"), Label("someone", "character")]
    named = named_scores(labels, np.array([0.9, 0.123456789, 0.001], np.float32), 0.005)
    assert named == {"rating": {"safe": 0.9}, "general": {"greenish": 0.123}}


def test_names_with_commas_and_quotes_are_read_as_csv_has_them(tmp_path: Path) -> None:
    path = tmp_path / "selected_tags.csv"
    path.write_text('tag_id,name,category,count\n1,"don\'t_say ""lazy"", please",3,5\n')
    assert read_selected_tags(path) == [Label('don\'t_say "lazy", please', "copyright")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name;category\na;0\n", "needs the columns tag_id,name,category,count; found name;category"),
        ("", "found no rows"),
        ("tag_id,name,category,count\n1,a,7,1\n", "unknown category 7"),
    ],
)
def test_another_table_is_a_sentence(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "selected_tags.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=reason):
        read_selected_tags(path)


def test_the_mapping_of_older_cl_taggers_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "tag_mapping.json"
    content = {"idx_to_tag": {"1": "b", "0": "a"}, "tag_to_category": {"a": "Model", "b": "Artist"}}
    path.write_text(json.dumps(content))
    assert read_tag_mapping(path) == [Label("a", "model"), Label("b", "artist")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"0": "1girl"}, "must be"),
        (
            {"0": {"tag": "a", "category": "General"}, "2": {"tag": "b", "category": "General"}},
            "without gaps",
        ),
        ({"0": {"tag": "a", "category": "Nonsense"}}, "unknown category nonsense"),
    ],
)
def test_another_mapping_is_a_sentence(tmp_path: Path, content: object, reason: str) -> None:
    path = tmp_path / "tag_mapping.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=reason):
        read_tag_mapping(path)


def test_deepdanboorus_characters_may_stand_in_a_list_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "tags-character.txt").write_text("miku\n")
    labels = deepdanbooru_labels(["1girl", "miku", "rating:safe"], tmp_path)
    assert [label.category for label in labels] == ["general", "character", "rating"]


def test_a_list_of_characters_that_is_not_utf8_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "tags-character.txt").write_bytes(b"mik\xfc\n")
    with pytest.raises(UserError, match=r"tags-character\.txt is not UTF-8"):
        deepdanbooru_labels(["1girl"], tmp_path)


@pytest.mark.parametrize("number", ["1_0", "\u0660", "9" * 5000])
def test_an_id_of_a_mapping_is_a_plain_number(tmp_path: Path, number: str) -> None:
    path = tmp_path / "tag_mapping.json"
    path.write_text(json.dumps({number: {"tag": "solo", "category": "General"}}))
    with pytest.raises(UserError, match="must be"):
        read_tag_mapping(path)
