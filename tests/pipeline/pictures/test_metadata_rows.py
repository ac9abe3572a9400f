from pathlib import Path

import pytest

from pipeline.pictures.metadata_rows import read_rows
from pipeline.pictures.sidecars import CaptionError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.jsonl", '{"file_name": "a.png", "tags": ["x", "y z"]}\n{"file_name": "b.png", "n": 1}\n'),
        ("metadata.csv", '\ufefffile_name,n,tags\na.png,1,"x, y z"\nb.png,2\n'),
    ],
)
def test_the_first_column_that_is_filled_is_the_caption(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    rows = [("a.png", "x, y z"), ("b.png", None)]
    assert list(read_rows(tmp_path / name, ["text", "tags"])) == rows


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"file_name": "a"}\n{"file_name": "a"}\n', "line 2 repeats a;"),
        ('{"file_name": 3}\n', "line 1 has no `file_name`"),
        ("\n{\n", "line 2 is not readable JSON"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "metadata.jsonl").write_text(text)
    with pytest.raises(CaptionError, match=reason):
        list(read_rows(tmp_path / "metadata.jsonl", ["text"]))
