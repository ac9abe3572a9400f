import json
import struct
import time
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.files.json_text import JsonError, parse_json, read_json, read_mapping
from pipeline.files.safetensors_file import read_safetensors
from pipeline.files.safetensors_header import read_header, stated_hash

HOSTILE = {
    "deep lists": "[" * 100_000 + "]" * 100_000,
    "deep mappings": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a little too deep": "[" * 66 + "]" * 66,
    "not a number": '{"a": NaN}',
    "infinity": "[-Infinity]",
    "beyond floats": "[1e999]",
    "a long number": f"[{'9' * 10_000}]",
    "a key twice": '{"a": 1, "a": 2}',
    "half a character": '["\\ud800"]',
    "no JSON": "{",
    "nothing": "",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_json_is_an_error_at_once(name: str) -> None:
    start = time.perf_counter()
    with pytest.raises(JsonError) as error:
        parse_json(HOSTILE[name])
    assert len(str(error.value)) < 300
    assert time.perf_counter() - start < 2


def test_plain_json_is_what_it_was() -> None:
    value: dict[str, object] = {"a": [1, 2.5, None, True, "\U0001f408", {"b": {}}], "\u00e9": "x" * 10**6}
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value
    assert parse_json("[" * 64 + "]" * 64)


def test_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"\xff")
    for read in (read_json, read_mapping):
        with pytest.raises(UserError, match=r"x\.json is not UTF-8 \(byte 0"):
            read(path)
    path.write_text("[]")
    with pytest.raises(
        UserError, match=r"x\.json is not readable JSON \(it is a list, and must be a mapping\)"
    ):
        read_mapping(path)


def with_header(path: Path, text: str, data: int = 4) -> Path:
    path.write_bytes(struct.pack("<Q", len(text.encode())) + text.encode() + bytes(data))
    return path


ENTRY = '{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        '{"__metadata__": {"a": 1}, "t": ' + ENTRY + "}",
        '{"__metadata__": {"a": {"b": "c"}}, "t": ' + ENTRY + "}",
        '{"__metadata__": ["a"], "t": ' + ENTRY + "}",
        '{"t": ' + ENTRY + ', "t": ' + ENTRY + "}",
        '{"t": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}',
        '{"t": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}}',
        '{"t": {"dtype": "F32", "shape": [true], "data_offsets": [0, 4]}}',
        '{"t": {"dtype": "F32", "shape": "1", "data_offsets": [0, 4]}}',
        '{"t": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 4]}}',
        '{"t": {"dtype": "F32", "shape": [1], "data_offsets": null}}',
        '{"t": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}}',
        '{"t": {"dtype": "F33", "shape": [1], "data_offsets": [0, 4]}}',
        '{"t": {"dtype": "F32", "shape": [1' + ", 1" * 100 + '], "data_offsets": [0, 4]}}',
        '{"t": []}', "[]", "1", '{"t": NaN}',
    ],
)  # fmt: skip
def test_headers_that_lie_are_sentences(text: str, tmp_path: Path) -> None:
    path = with_header(tmp_path / "x.safetensors", text)
    for read in (read_header, read_safetensors):
        with pytest.raises(UserError, match=r"x\.safetensors is not a readable \.safetensors file"):
            read(path)


@pytest.mark.parametrize("stated", ["x, Steps: 1", "\nSteps: 1", "", "abc"])
def test_a_hash_that_is_none_is_computed(stated: str, tmp_path: Path) -> None:
    """A header's text goes into pictures' infotexts: another line there would be another setting."""
    text = json.dumps({"__metadata__": {"sshs_model_hash": stated}, "t": json.loads(ENTRY)})
    # sha256 of four zero bytes
    assert stated_hash(with_header(tmp_path / "x.safetensors", text)).startswith("df3f619804a9")


def test_a_key_that_comes_twice_late_is_found_in_one_pass() -> None:
    text = "{" + "".join(f'"k{number}":1,' for number in range(50_000)) + '"k49999":2}'
    started = time.perf_counter()
    with pytest.raises(JsonError, match="'k49999' is there twice"):
        parse_json(text)
    assert time.perf_counter() - started < 2  # 0.06 s; for each key a new mapping took half a minute
