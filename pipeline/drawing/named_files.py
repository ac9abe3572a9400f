"""Files that a prompt may call: networks and masks by name, embeddings by their words. Loads torch only to
search small files for words.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pipeline.bases.tokens import words_in
from pipeline.errors import UserError, nearest, warn
from pipeline.prompts.network_tags import NetworkTag, split_tags

NETWORK_SUFFIXES = (".safetensors", ".pt", ".bin")
EMBEDDING_BYTES = 1 << 22
"""No embedding is larger: 75 vectors of a few KiB. Larger files are not searched for words."""
MASK_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".bmp")


class NamedFiles:
    """Files in `folders` and below, by name without suffix, as A1111 lists them, or by path in the folder
    (`style/ink`).
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.folders = tuple(folders)
        self._names: dict[str, set[Path]] = {}
        for folder in self.folders:
            if not folder.is_dir():
                raise UserError(f"{folder}: no such folder of networks")
            for path in sorted(folder.rglob("*")):
                for name in _names(path.relative_to(folder)):
                    self._names.setdefault(name, set()).add(path)

    def find(self, name: str) -> Path:
        """The file of that name. Raises UserError if there is none, or several."""
        files = sorted(self._names.get(name, ()))
        if not files:
            where = ", ".join(map(str, self.folders)) or "no folder of networks was given"
            raise UserError(f"no network or mask is called {name!r} ({where}); {nearest(name, self._names)}")
        if len(files) > 1:
            raise UserError(
                f"{name!r} is the name of {len(files)} files ({', '.join(map(str, files))});"
                " write the path inside its folder"
            )
        return files[0]

    def of_tags(self, tags: Sequence[NetworkTag]) -> dict[str, Path]:
        """The files that the tags call, masks too, by the names in the tags."""
        names = [name for tag in tags for name in (tag.name, tag.mask) if name]
        return {name: self.find(name) for name in names}

    @cached_property
    def words(self) -> dict[str, Path]:
        """Embedding files by their words, lower-cased."""
        files: dict[str, Path] = {}
        for path in sorted({path for paths in self._names.values() for path in paths}):
            for word in _words(path):
                if files.setdefault(word, path) != path:
                    raise UserError(f"{files[word]} and {path} are both called {word!r}; rename one of them")
        return files

    def used(self, prompt: str) -> dict[str, Path]:
        """The files that the prompt needs, masks too, by the names in the prompt."""
        text, tags = split_tags(prompt)
        return self.of_tags(tags) | self.embeddings(text)

    def embeddings(self, text: str) -> dict[str, Path]:
        """The files whose words the text calls, by word."""
        return {word: self.words[word] for word in words_in(text, self.words)}


NO_FILES = NamedFiles()


def _names(inside: Path) -> tuple[str, ...]:
    if inside.suffix.lower() in NETWORK_SUFFIXES:
        return inside.stem, inside.with_suffix("").as_posix()
    return (inside.name, inside.as_posix()) if inside.suffix.lower() in MASK_SUFFIXES else ()


def _words(path: Path) -> list[str]:
    """Lower-cased; none if the file is not an embedding."""
    if path.suffix.lower() not in NETWORK_SUFFIXES or path.stat().st_size > EMBEDDING_BYTES:
        return []
    from pipeline.files.embedding_file import read_embeddings
    from pipeline.networks.families import family_of_file

    try:
        if family_of_file(path) != "embedding":
            return []
        return [word.lower() for word in read_embeddings(path)]
    except UserError as error:
        warn(f"not searched for embeddings' words: {error}")
        return []
