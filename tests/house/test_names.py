"""One name, one thing: no public class, constant or type alias of pipeline/ and stages/ is defined twice, and
none is imported under another name.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

ON_PURPOSE = {
    "FACTS": "facts.py of each family's folder, found by this name",
    "FAMILY": "family.py of each family's folder, found by this name",
    "ROUTES": "the addresses of each module of the workbench's routes",
    "TEMPLATE": "the page of a module that writes one",
    "VERSION": "the algorithm's, in each module that keeps results",
}
"""Names that modules of one shape have in common, and why."""


def defined(body: list[ast.stmt]) -> Iterator[str]:
    """Classes and assigned names at the top of a module, in its `if`s and `try`s too."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (each.id for one in targets for each in ast.walk(one) if isinstance(each, ast.Name))
        elif isinstance(node, ast.If | ast.Try):
            yield from defined([*node.body, *node.orelse])


def defined_twice(root: Path) -> dict[str, list[str]]:
    """Public names with the files that define them, where there are several."""
    files = defaultdict(list)
    for file in sorted(path for folder in ("pipeline", "stages") for path in (root / folder).rglob("*.py")):
        for name in dict.fromkeys(defined(ast.parse(file.read_text()).body)):
            if not name.startswith("_"):
                files[name].append(file.relative_to(root).as_posix())
    return {name: found for name, found in files.items() if len(found) > 1}


def renamed_imports(text: str) -> list[str]:
    """Classes and constants of ours that a text imports under another name."""
    return [
        f"{name.name} as {name.asname}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("pipeline", "stages")
        for name in node.names
        if name.asname not in (None, name.name) and name.name[:1].isupper()
    ]


def test_no_name_is_defined_twice() -> None:
    found = {name: files for name, files in defined_twice(ROOT).items() if name not in ON_PURPOSE}
    assert not found, "one name for one thing: rename all but one, or begin a module's own with an underscore"


def test_names_in_common_are_still_in_common() -> None:
    assert ON_PURPOSE.keys() <= defined_twice(ROOT).keys()


def test_classes_and_constants_keep_their_names_where_they_are_imported() -> None:
    files = [file for folder in ("pipeline", "stages", "tests") for file in (ROOT / folder).rglob("*.py")]
    found = {file.name: names for file in files if (names := renamed_imports(file.read_text()))}
    assert not found


def test_a_second_definition_is_found(tmp_path: Path) -> None:
    for folder in ("pipeline", "stages"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pipeline/a.py").write_text("class Row:\n    SIDE = 1\n\n\nINK, _GAP = 1, 2\n")
    (tmp_path / "stages/b.py").write_text("if True:\n    Row = int\nINK: int = 3\n_GAP = 4\nSIDE = 5\n")
    assert defined_twice(tmp_path) == {
        "Row": ["pipeline/a.py", "stages/b.py"],
        "INK": ["pipeline/a.py", "stages/b.py"],
    }
    assert renamed_imports("from pipeline.a import Row as Line, INK as INK, row as line\n") == ["Row as Line"]
