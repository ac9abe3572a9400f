import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.files.atomic import new_file, new_folder, read_jsonl, write_json, write_jsonl


def test_a_failure_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), new_file(target) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "data"
    with new_folder(target) as folder:
        (folder / "a").touch()
    with pytest.raises(OSError, match="full"), new_folder(target) as folder:
        (folder / "b").touch()
        raise OSError("full")
    assert [path.name for path in target.iterdir()] == ["a"]
    with new_folder(target) as folder:
        (folder / "c").touch()
    assert [path.name for path in target.iterdir()] == ["c"]
    assert list(tmp_path.iterdir()) == [target]


def test_the_old_folder_stays_where_the_last_step_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "data"
    with new_folder(target) as folder:
        (folder / "a").touch()
    real = os.replace

    def interrupted(source: Path, to: Path) -> None:
        if source.name == ".data.part" and to == target:
            raise KeyboardInterrupt
        real(source, to)

    monkeypatch.setattr("pipeline.files.atomic.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt), new_folder(target) as folder:
        (folder / "b").touch()
    assert [path.name for path in target.iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [target]


def test_json_has_sorted_keys_and_lines_round_trip(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": "é"})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "a": "é",\n  "b": 1\n}\n'
    rows: list[dict[str, Any]] = [{"x": 1}, {"y": "\u2028"}]
    write_jsonl(tmp_path / "a.jsonl", rows)
    assert read_jsonl(tmp_path / "a.jsonl") == rows
