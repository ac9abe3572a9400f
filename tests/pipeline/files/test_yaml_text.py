"""YAML of strangers is bounded: no text ends the process, runs for ever, or means two things."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.captions.edit_file import read_edits
from pipeline.config.compose import read_params
from pipeline.config.recipes import read_yaml as read_recipe
from pipeline.errors import UserError
from pipeline.files.yaml_text import parse_yaml, read_yaml
from pipeline.pictures.by_hand import glob
from pipeline.pictures.by_hand import read_entries as read_by_hand

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)
)
HOSTILE = {
    "brackets": "[" * 50_000,
    "closed brackets": "[" * 50_000 + "]" * 50_000,
    "mappings": "{a: " * 50_000,
    "lists in lists": "- " * 50_000,
    "keys in keys": "? " * 50_000,
    "anchors of anchors": BOMB,
    "an anchor of itself": "a: &a [*a]",
    "merges of merges": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 20)),
    "a key twice": "a: 1\na: 2",
    "code": "a: !!python/object/apply:os.system [ls]",
    "a long number": f"a: {'9' * 10_000}",
    "sixties": f"a: {'1:' * 10_000}1",
    "no date": "a: 2001-99-99",
    "nothing": "\0",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_a_sentence_at_once(name: str) -> None:
    start = time.perf_counter()
    with pytest.raises(UserError, match=r"^x\.yaml is not readable YAML") as error:
        parse_yaml(HOSTILE[name], "x.yaml")
    assert len(str(error.value)) < 500
    assert time.perf_counter() - start < 2  # milliseconds; a bomb would run for ever


@pytest.mark.parametrize(
    "read", [read_yaml, read_params, read_recipe, read_edits, lambda p: read_by_hand(p, "a: b")]
)
@pytest.mark.parametrize("name", ["brackets", "mappings", "anchors of anchors", "a key twice"])
def test_every_reader_of_yaml_is_bounded(read: Callable[[Path], Any], name: str, tmp_path: Path) -> None:
    """params.yaml, recipes, tag edits, and what data/*.yaml holds beside them."""
    path = tmp_path / "x.yaml"
    path.write_text(HOSTILE[name])
    with pytest.raises(UserError, match=r"x\.yaml is not readable YAML"):
        read(path)


def test_no_other_module_reads_yaml() -> None:
    """What reads it elsewhere takes a text whose bounds are known, or a file of DVC's own."""
    found = subprocess.run(
        ["grep", "-rlE", r"yaml\.(safe_)?load\(|CSafeLoader|OmegaConf\.load", "pipeline", "stages"],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    bounded = {
        "pipeline/captions/edit_text.py", "pipeline/files/yaml_entries.py", "pipeline/sweep/worktrees.py",
        "pipeline/config/compose.py", "pipeline/captions/edit_file.py", "pipeline/config/params_edit.py",
        "pipeline/workbench/kept_comments.py",
    }  # fmt: skip
    assert {name for name in found if name.endswith(".py")} - bounded == {
        "pipeline/files/yaml_text.py", "pipeline/config/typed.py",
    }  # fmt: skip


def test_a_few_anchors_and_merges_are_read() -> None:
    text = "a: &a {x: 1, z: [1, 2]}\nb: {<<: *a, y: 2}\nc: [*a, *a]"
    found = parse_yaml(text, "x")
    assert found["b"] == {"x": 1, "z": [1, 2], "y": 2}
    assert found["c"] == [found["a"]] * 2


def test_it_says_where_a_key_is_there_twice() -> None:
    with pytest.raises(UserError, match="line 3: 'a' is there twice"):
        parse_yaml("a: 1\nb: 2\na: 3", "x.yaml")


def test_a_text_that_is_not_utf8_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes("\ufeffa: \u00e9".encode("utf-8"))
    assert read_yaml(tmp_path / "x.yaml") == {"a": "\u00e9"}
    (tmp_path / "x.yaml").write_bytes("a: \u00e9".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        read_yaml(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("a*c", "abc", True), ("a*c", "acb", False), ("*", "", True), ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("*ab*ab", "abab", True), ("*ab*ab", "ab", False), ("a*b*c*d", "axbxbcxd", True),
        ("[a]*", "[a]b", True),
        ("*aa", "aaa", True), ("a**b", "ab", True),
    ],
)  # fmt: skip
def test_wildcards(pattern: str, text: str, fits: bool) -> None:
    assert bool(glob(pattern).fullmatch(text)) is fits


def test_a_pattern_of_many_wildcards_takes_no_time() -> None:
    start = time.perf_counter()
    assert not glob("*a" * 40 + "b").fullmatch("a" * 2_000)
    assert time.perf_counter() - start < 1


def test_the_process_survives(tmp_path: Path) -> None:
    """libyaml's composer would overrun the stack: nothing in Python could catch that."""
    (tmp_path / "x.yaml").write_text("[" * 200_000)
    script = "import sys; from pathlib import Path; from pipeline.files.yaml_text import read_yaml\n"
    script += "try: read_yaml(Path(sys.argv[1]))\nexcept Exception as error: print(type(error).__name__)"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "x.yaml")],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "UserError")


@pytest.mark.parametrize(
    "text", ["a: !!bool foo", "a: !!timestamp foo", 'a: !!int ""', 'a: !!int "_"', 'a: !!float ""']
)
def test_a_value_that_does_not_fit_its_tag_is_a_sentence(text: str) -> None:
    with pytest.raises(UserError, match=r"list\.yaml is not readable YAML"):
        parse_yaml(text, "list.yaml")
