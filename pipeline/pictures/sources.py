"""Finds pictures and their captions in folders: `<repeats>_<concept>` subfolders, or pictures directly in the
source.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.pictures.reading import SUFFIXES

REPEATS_CONCEPT = re.compile(r"^(?P<repeats>[1-9]\d*)_(?P<concept>.+)$")


@dataclass(frozen=True)
class Found:
    """A picture file, what its folder's name says of it, and its caption file if it has one."""

    path: Path
    concept: str
    repeats: int
    caption: Path | None

    @property
    def id(self) -> str:
        return f"{self.concept}/{self.path.stem}"


def find(sources: list[str], default_repeats: int) -> tuple[list[Found], list[str]]:
    """Every picture of the sources, by id, and what is wrong with the sources: missing or empty ones,
    orphaned captions, clashing names.
    """
    problems: list[str] = []
    found: list[Found] = []
    for source in sources:
        root = Path(source)
        if not root.is_dir():
            problems.append(
                f"collect.source {source}: no such folder; put pictures"
                " there or set collect.source in params.yaml"
            )
            continue
        in_source = [
            item for folder in _folders(root) for item in _in_folder(folder, default_repeats, problems)
        ]
        if not in_source:
            problems.append(
                f"collect.source {source}: no pictures in it ({', '.join(sorted(SUFFIXES))} are looked for)"
            )
        found += in_source
    problems += _clashes(found)
    return sorted(found, key=lambda item: item.id), problems


def _folders(root: Path) -> list[Path]:
    return [root, *sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))]


def _in_folder(folder: Path, default_repeats: int, problems: list[str]) -> list[Found]:
    match = REPEATS_CONCEPT.match(folder.name)
    concept, repeats = (match["concept"], int(match["repeats"])) if match else (folder.name, default_repeats)
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
    captions = {path.stem: path for path in files if path.suffix == ".txt"}
    for stem in sorted(captions.keys() - {path.stem for path in pictures}):
        problems.append(
            f"{captions[stem]}: a caption without a picture; add {stem}.png"
            " (or .jpg ...) beside it, or delete the caption"
        )
    return [Found(path, concept, repeats, captions.get(path.stem)) for path in pictures]


def _clashes(found: list[Found]) -> list[str]:
    by_id: dict[str, list[Path]] = {}
    for item in found:
        by_id.setdefault(item.id.casefold(), []).append(item.path)
    return [
        f"{' and '.join(map(str, paths))} share one name, so one caption"
        " file would serve both; rename one of them"
        for paths in by_id.values()
        if len(paths) > 1
    ]
