import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.pictures.sidecars import CaptionError, caption_of, read_caption
from pipeline.texts.lines import as_written


@pytest.mark.parametrize(
    ("content", "caption"),
    [
        ({"caption": " a  cat\r\n", "tags": ["x"]}, "a  cat"),  # gaps are for the reader to see
        ({"tag_string": "1girl solo", "tags": ["x"]}, "1girl, solo"),  # danbooru
        ({"tags": "1girl long_hair"}, "1girl, long_hair"),  # gelbooru
        ({"tags": "1girl, long hair"}, "1girl, long hair"),
        ({"tags": ["1girl", "long_hair"]}, "1girl, long_hair"),  # gallery-dl
        ({"tags": {"general": ["wolf"], "artist": ["bob"], "meta": []}}, "wolf, bob"),  # e621
        ({"tags": {"1girl": 0.99, "solo": 0.9}}, "1girl, solo"),  # waifuc
        ({"tags": []}, ""),
        ({"id": 1}, None),
        (["1girl"], None),
    ],
)
def test_every_downloaders_shape(content: Any, caption: str | None) -> None:
    assert caption_of(content) == caption


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["tags", "caption", "tag_string"]), inner)
    ),
)


@given(ANY_JSON)
def test_any_json_gives_tidy_lines_or_nothing(content: Any) -> None:
    caption = caption_of(json.loads(json.dumps(content)))
    assert caption is None or caption == as_written(caption) or "," in caption


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(CaptionError, match=r"is not UTF-8 \(byte 3: "):
        read_caption(tmp_path / "a.txt")
    (tmp_path / "a.json").write_text("{'tags': 1}")
    with pytest.raises(CaptionError, match="not readable JSON"):
        read_caption(tmp_path / "a.json")
