"""Recipes outside the graph: reads them from YAML or a merged file's header, and looks up their inputs."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from pipeline.bases.encoder_files import encoders_sha256
from pipeline.config.recipes import RecipeContent, from_yaml, other_encoders, read_yaml
from pipeline.errors import UserError
from pipeline.files.safetensors_header import metadata_of
from pipeline.merging.header import MERGE_KEY
from pipeline.schemas.recipe import Input, Recipe
from pipeline.store.known_hashes import sha256_of_model

UNET_FILE = "unet/diffusion_pytorch_model.safetensors"
"""The file of a folder whose header is read."""


def is_merged(path: Path) -> bool:
    """Whether the recipe is in a merge's header: its paths are then a stranger's, not the user's."""
    return path.suffix == ".safetensors" or path.is_dir()


def read_content(path: Path) -> RecipeContent:
    """A recipe as plain values, from a YAML file or from the header of a merged .safetensors or folder."""
    if not is_merged(path):
        return read_yaml(path)
    text = metadata_of(path / UNET_FILE if path.is_dir() else path).get(MERGE_KEY)
    if text is None:
        raise UserError(f"{path} has no recipe in its header: it was not merged here")
    return from_yaml(text, str(path))


def model_by_hash(recipe: Recipe, folders: Sequence[Path], stated: Collection[str] = ()) -> Recipe:
    """Looks up each input that is not at its path, or is another file there, in `folders`: by its name, then
    by its sha256. Without folders, only requires that something is there. `stated`: inputs with a path that a
    merged file states; nothing at such a path is opened, only its name is looked up.
    """
    entries = {name: _entry(given, name in stated) for name, given in recipe.inputs.items()}
    located = {name: _found(entry, folders, name in stated) for name, entry in entries.items()}
    problems = [
        f"inputs.{name}: {_missing(entries[name], folders, name in stated)}"
        for name, entry in located.items()
        if entry is None
    ]
    if problems:
        raise UserError(*problems)
    return recipe.model_copy(update={"inputs": located})


def _entry(given: str | Input, is_stated: bool) -> Input:
    entry = Input(path=given) if isinstance(given, str) else given
    return entry.model_copy(update={"path": _name(entry.path)}) if is_stated else entry


def _name(path: str) -> str:
    """The last part of a path that a merged file states, whichever system wrote it."""
    name = path.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if name in ("", ".", "..") or not name.isprintable():
        raise UserError(f"the recipe in the merged file names the input {path!r}, which is not a file name")
    return name


def _found(entry: Input, folders: Sequence[Path], is_stated: bool) -> Input | None:
    path = Path(entry.path)
    if not is_stated and path.exists() and (not folders or _is_it(path, entry)):
        return entry
    named = [folder / path.name for folder in folders if (folder / path.name).exists()]
    candidates = [*named, *_alike(path, folders)] if entry.sha256 else named
    match = next((candidate for candidate in candidates if _is_it(candidate, entry)), None)
    return entry.model_copy(update={"path": str(match)}) if match else None


def _alike(path: Path, folders: Sequence[Path]) -> Iterator[Path]:
    """Possible matches under other names: files with its suffix; for a folder, diffusers' folders."""
    for folder in folders:
        for other in sorted(folder.glob("*")):
            if other.suffix == path.suffix and (other.is_file() or (other / "model_index.json").is_file()):
                yield other


def _is_it(path: Path, entry: Input) -> bool:
    if entry.sha256 is not None and sha256_of_model(path) != entry.sha256:
        return False
    return entry.text_encoders_sha256 is None or encoders_sha256(path) == entry.text_encoders_sha256


def _missing(entry: Input, folders: Sequence[Path], is_stated: bool) -> str:
    path = Path(entry.path)
    is_there = not is_stated and path.exists()
    if is_there and entry.text_encoders_sha256 and sha256_of_model(path) == entry.sha256:
        return other_encoders(entry.path, encoders_sha256(path), entry.text_encoders_sha256)
    state = f"has the sha256 {sha256_of_model(path)}" if is_there else "is not there"
    needed = f"the sha256 {entry.sha256}" if entry.sha256 else "a file of this name"
    elsewhere = f", which is not in {', '.join(map(str, folders))} either" if folders else ""
    return f"{path} {state}; the recipe needs {needed}{elsewhere}. Name its folder with --search"
