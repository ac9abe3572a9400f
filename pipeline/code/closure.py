"""The files that a stage's results depend on: its module, the modules it imports, and the data they read."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.code.choices import CHOICES
from pipeline.code.meaning import meaning
from pipeline.files.hashing import sha256_of_bytes
from pipeline.schemas import Config
from pipeline.store.items import Items, key

CODE_ROOT = Path(__file__).parents[2]
"""Folder of the packages; a run's working folder may be another."""
CODE_PACKAGES = ("pipeline", "stages")
ASIDE = (
    "pipeline/command.py",
    "pipeline/errors.py",
    "pipeline/progress.py",
    "pipeline/code/",
    "pipeline/config/__init__.py",
    "pipeline/config/check.py",
    "pipeline/config/compose.py",
    "pipeline/config/explain.py",
    "pipeline/config/graph_file.py",
    "pipeline/config/load.py",
    "pipeline/config/lock.py",
    "pipeline/outside_graph.py",
    "pipeline/same_bytes.py",
    "pipeline/config/rules/",
)
"""Files that no result depends on: how a command starts, ends and reports, and code that only compose runs;
its results reach other stages as values.
"""
SCHEMAS = "pipeline/schemas/__init__.py"
DATA = {
    "pipeline/bases/clip_vocabulary.py": "pipeline/bases/clip_merges.txt.gz",
    "pipeline/reports/dataset.py": "pipeline/reports/dataset.html.j2",
    "pipeline/reports/grid.py": "pipeline/reports/grid.html.j2",
    "pipeline/reports/run/page.py": "pipeline/reports/run/page.html.j2",
    "pipeline/reports/template.py": "pipeline/reports/look.css",
    "pipeline/captions/templates.py": "pipeline/captions/template_sets",
    "pipeline/captions/word_lists.py": "pipeline/captions/lists",
}
"""Files that a module reads from its own package."""


def closure(stage: str, config: Config, groups: Sequence[str]) -> list[str]:
    """The stage's files, sorted: its module, the modules it imports, and the data they read."""
    seen, waiting = set[str](), [f"stages/{stage.replace('-', '_')}.py"]
    while waiting:
        name = waiting.pop()
        if name in seen or name.startswith(ASIDE):
            continue
        seen.add(name)
        waiting += schema_files(config, groups) if name == SCHEMAS else imports(name)
        if name in CHOICES:
            waiting += chosen(name, config, stage)
    return sorted({*seen, *(data for name in seen if (data := data_of(name)))} - {SCHEMAS})


def data_of(name: str) -> str | None:
    """Data that a module reads from its own package; a base's family reads the configs next to it."""
    folder, _, file = name.rpartition("/")
    if file == "family.py" and (CODE_ROOT / folder / "configs").is_dir():
        return f"{folder}/configs"
    return DATA.get(name)


def chosen(registry: str, config: Config, stage: str) -> list[str]:
    """The files that the configuration picks from a folder: modules, or all modules of packages."""
    names = CHOICES[registry](config, stage)
    places = sorted((CODE_ROOT / registry).parent.iterdir())
    picked = [path for path in places if names is None or path.stem in names]
    files = [file for path in picked for file in ([path] if path.is_file() else sorted(path.glob("*.py")))]
    return [file.relative_to(CODE_ROOT).as_posix() for file in files if file.suffix == ".py"]


def schema_files(config: Config, groups: Sequence[str]) -> list[str]:
    """Files of the schemas that a stage reads."""
    modules = {type(getattr(config, group)).__module__ for group in groups}
    return [file for module in modules if module.startswith("pipeline.") and (file := module_file(module))]


@cache
def module_file(name: str) -> str | None:
    """File of a module of the project, by its dotted name."""
    path = Path(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file.as_posix() for file in candidates if (CODE_ROOT / file).is_file()), None)


def imports(name: str) -> tuple[str, ...]:
    """Files that a file imports, and the packages above them; not the imports for types alone."""
    return tuple(dict.fromkeys(file for module in _facts(name).modules for file in _with_parents(module)))


def hash_of(name: str) -> str:
    """SHA-256 of a Python file's meaning, or of data files' bytes."""
    path = CODE_ROOT / name
    if path.suffix == ".py":
        return _facts(name).meaning
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    parts = [
        f"{file.relative_to(CODE_ROOT).as_posix()}\0{sha256_of_bytes(file.read_bytes())}" for file in files
    ]
    return sha256_of_bytes("\0".join(parts).encode())


@dataclass(frozen=True)
class SourceFacts:
    """What a Python file imports, and the hash of its meaning."""

    modules: list[str]
    meaning: str


@cache
def _own_code() -> list[str]:
    """Hashes of this package's files: if they change, the facts are computed again."""
    return [sha256_of_bytes(path.read_bytes()) for path in sorted(Path(__file__).parent.glob("*.py"))]


@cache
def _facts(name: str) -> SourceFacts:
    """Kept by the file's content: reading all of the project's code takes two seconds."""
    data = (CODE_ROOT / name).read_bytes()

    def make() -> dict[str, Any]:
        text = data.decode()
        return asdict(SourceFacts([*imported(ast.parse(text))], sha256_of_bytes(meaning(text).encode())))

    return SourceFacts(**Items("code").json(key(by=_own_code(), file=sha256_of_bytes(data)), make))


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all imports, anywhere in the file, except under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            yield from imported(node)


def _with_parents(module: str) -> Iterator[str]:
    parts = module.split(".")
    if parts[0] in CODE_PACKAGES:
        files = (module_file(".".join(parts[:depth])) for depth in range(1, len(parts) + 1))
        yield from filter(None, files)
