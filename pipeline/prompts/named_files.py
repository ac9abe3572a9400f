"""The files of given folders by the names that prompts use for them. Without torch."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import UserError, nearest
from pipeline.prompts.network_tags import Tag, split_tags

NETWORKS = (".safetensors", ".pt", ".bin")
MASKS = (".png", ".webp", ".jpg", ".jpeg", ".bmp")


class NamedFiles:
    """Files below `folders` by their names without suffix, as A1111 lists them, or by their paths inside the
    folder (`style/ink`).
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
        """The file of that name. Raises UserError if there are none or several."""
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

    def of_tags(self, tags: Sequence[Tag]) -> dict[str, Path]:
        """The files that the tags call, with masks, by the tags' names for them."""
        names = [name for tag in tags for name in (tag.name, tag.mask) if name]
        return {name: self.find(name) for name in names}


def insist_on_none(negative_prompt: str) -> None:
    """Raises UserError for a network in a negative prompt."""
    if split_tags(negative_prompt)[1]:
        raise UserError("the negative prompt calls a network; call it in the prompt instead")


def _names(inside: Path) -> tuple[str, ...]:
    if inside.suffix.lower() in NETWORKS:
        return inside.stem, inside.with_suffix("").as_posix()
    return (inside.name, inside.as_posix()) if inside.suffix.lower() in MASKS else ()
