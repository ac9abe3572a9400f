"""Checks the answers to `python -m pipeline.new` before it writes anything."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from os.path import exists, isdir, isfile  # these accept names that no disk allows
from pathlib import Path

from pipeline.config.lock import where_from
from pipeline.config.own_params import CHECKPOINTS, NO_TAGGER, RUN_NAME, WITH_CLASS, base_options
from pipeline.errors import UserError, near, nearest
from pipeline.files.hub_names import FOLDER_OF_REPOSITORY, REPOSITORY, is_hub_name
from pipeline.files.names import fault_of
from pipeline.pictures import archives, downloads
from pipeline.pictures.sources import SOURCE_KINDS

BLANK = {
    "base": "name a checkpoint, or omit --base for sd15",
    "kind": "name a preset, or omit --kind for character",
    "trigger": "give a rare word, or omit --trigger to use the name",
    "pictures": "name a folder, or omit --pictures",
    "tagger": "name a tagger, or `none`",
}


def problems(
    name: str, given: Mapping[str, str], noun: str | None, kinds: Sequence[str], is_usual_folder: bool
) -> list[str]:
    """All problems. `is_usual_folder`: the folder of pictures is the default, which need not exist yet."""
    wrong = []
    if fault := fault_of(name):
        wrong.append(f"{name[:60]!r} cannot name files: {fault}; use letters, digits, `.`, `-` and `_`")
    elif not RUN_NAME.fullmatch(name):
        wrong.append(f"{name!r} cannot name files; use letters, digits, `.`, `-` and `_`")
    checks: dict[str, Callable[[str], Iterator[str]]] = {
        "base": _of_base,
        "kind": lambda kind: _of_kind(kind, noun, kinds),
        "tagger": _of_tagger,
        "pictures": lambda place: _of_pictures(Path(place), is_usual_folder),
    }
    for key, cure in BLANK.items():
        if not given[key].strip():
            wrong.append(f"--{key} is blank; {cure}")
        elif key in checks:
            wrong += checks[key](given[key])
    return wrong


def _of_kind(kind: str, noun: str | None, kinds: Sequence[str]) -> Iterator[str]:
    if kind not in kinds:
        yield f"--kind {kind} is not a preset; {nearest(kind, kinds)}"
    elif noun is not None and kind not in WITH_CLASS:
        yield (
            f"--class {noun} is for --kind {' and '.join(WITH_CLASS)}, which train with class pictures, but"
            f" --kind {kind} has none; omit --class, or choose one of those kinds"
        )
    elif noun is not None and not noun.strip():
        yield "--class is blank; name what it is one of (woman, dog), or omit --class"


def _of_base(base: str) -> Iterator[str]:
    is_checkpoint = isfile(base) and Path(base).suffix in CHECKPOINTS
    if base in base_options() or isdir(base) or is_checkpoint:
        return
    if exists(base):
        yield (
            f"--base {base} is neither a checkpoint ({', '.join(CHECKPOINTS)}) nor a diffusers folder; name"
            " one"
        )
    else:
        yield from _absent("base", base, REPOSITORY, "base.path", near(base, base_options()))


def _of_tagger(tagger: str) -> Iterator[str]:
    if isfile(tagger) and Path(tagger).suffix != ".pt":
        yield f"--tagger {tagger} is a file; name its folder, which also holds the labels"
    elif tagger != NO_TAGGER and not exists(tagger):
        yield from _absent("tagger", tagger, FOLDER_OF_REPOSITORY, "tag.model", "")


def _absent(flag: str, name: str, pattern: re.Pattern[str], key: str, hint: str) -> Iterator[str]:
    """The problem of a missing model, unless the hub may have it."""
    if not is_hub_name(name, pattern):
        yield (
            f"--{flag} {name}: no such file or folder{hint}; put it there, or name an existing one, or a hub"
            f" name (owner/name); {where_from(key)}"
        )


def _of_pictures(path: Path, is_usual: bool) -> Iterator[str]:
    if isdir(path) or (is_usual and not exists(path)):
        return
    if not exists(path):
        yield f"--pictures {path}: no such folder; create it and add your pictures, or name the right one"
    elif path.suffix.lower() == ".txt":
        try:
            downloads.read_list(path)
        except UserError as error:
            yield from (f"--pictures {problem}" for problem in error.problems[:1])
    elif not archives.suffix_of(path.name) and path.suffix.lower() != ".parquet":
        yield f"--pictures {path} is a file; name its folder (allowed: {SOURCE_KINDS})"
