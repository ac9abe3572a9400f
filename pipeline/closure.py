"""Which of the project's files a module's behaviour follows from: its imports, and theirs, wherever they
stand in the code.

`python -m pipeline.closure` writes them into dvc.yaml as each stage's dependencies; a test holds the two
together.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("pipeline", "stages")
DVC_YAML = Path("dvc.yaml")
DATA = {
    "pipeline/base/families.py": "pipeline/base/sd1",
    "pipeline/reports/dataset.py": "pipeline/reports/dataset.html.j2",
    "pipeline/reports/grid.py": "pipeline/reports/grid.html.j2",
    "pipeline/reports/run/page.py": "pipeline/reports/run/page.html.j2",
    "pipeline/reports/template.py": "pipeline/reports/look.css",
    "pipeline/captions/templates.py": "pipeline/captions/template_sets",
    "pipeline/captions/word_lists.py": "pipeline/captions/lists",
}
"""Files that a module reads from its own package."""
FOUND = ("pipeline/networks/algorithms/__init__.py",)
"""Packages that import each module of theirs by its file."""


def module_file(name: str) -> Path | None:
    """File of a module of the project, by its dotted name."""
    path = Path(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def imported_files(file: Path) -> Iterator[Path]:
    """Files that `file` names in import statements, and the packages above them."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] in PACKAGES:
                parents = [".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 2)]
                yield from filter(None, map(module_file, parents))
    if file.as_posix() in FOUND:
        yield from file.parent.glob("*.py")


def closure(file: Path) -> list[str]:
    """`file` and everything of the project that it imports, sorted; empty files are left out."""
    seen, waiting = set[Path](), [file]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += imported_files(current)
    names = {path.as_posix() for path in seen if path.stat().st_size}
    return sorted(names | {DATA[name] for name in names if name in DATA})


def main() -> None:
    """Rewrites the code dependencies in dvc.yaml; the others stay, before them."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width, yaml.indent = 4096, 2
    graph = yaml.load(DVC_YAML.read_text(encoding="utf-8"))
    for name, stage in graph["stages"].items():
        data = [
            dep
            for dep in stage.get("deps", [])
            if not dep.startswith(tuple(f"{package}/" for package in PACKAGES))
        ]
        stage["deps"] = data + closure(Path("stages") / f"{name.replace('-', '_')}.py")
    with DVC_YAML.open("w", encoding="utf-8") as file:
        yaml.dump(graph, file)


if __name__ == "__main__":
    main()
