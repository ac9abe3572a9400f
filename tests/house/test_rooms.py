"""Rooms, the packages and modules right below pipeline/, import each other in one direction: no circles."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROGRAM = "__main__.py"
"""`python -m pipeline.<room>`: nobody imports it, so it may call rooms that use its own. `pipeline.config` is
run in the frame of `pipeline.command`, `pipeline.sweep` ends with `pipeline.compare`.
"""


def imported(file: Path) -> Iterator[str]:
    """Names of what a file imports, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "pipeline":
            yield from (f"pipeline.{each.name}" for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def rooms(root: Path) -> dict[str, set[str]]:
    """Each room, and the rooms that it imports."""
    found: dict[str, set[str]] = {}
    for file in sorted(root.rglob("*.py")):
        room = file.relative_to(root).parts[0].removesuffix(".py")
        names = [name.split(".") for name in imported(file) if file.name != PROGRAM]
        inside = {name[1] for name in names if name[0] == "pipeline" and len(name) > 1}
        found.setdefault(room, set()).update(inside - {room})
    return found


def insist_on_no_circle(root: Path) -> None:
    try:
        TopologicalSorter(rooms(root)).prepare()
    except CycleError as error:
        pytest.fail(f"rooms import each other in a circle: {' -> '.join(error.args[1])}")


def test_there_is_no_circle_between_rooms() -> None:
    insist_on_no_circle(ROOT / "pipeline")


def test_a_circle_is_seen_even_inside_a_function(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.py").write_text("from pipeline import b\n")
    (tmp_path / "b.py").write_text("def f():\n    import pipeline.a.x\n")
    with pytest.raises(pytest.fail.Exception, match=r"circle: [ab] -> [ab] -> [ab]"):
        insist_on_no_circle(tmp_path)


def test_programs_are_imported_by_nobody() -> None:
    files = [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "stages").rglob("*.py")]
    assert not [name for file in files for name in imported(file) if name.endswith("__main__")]
