"""The networks that a prompt may call, by name among the files of given folders."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.base.load import BaseModel
from pipeline.errors import UserError, nearest
from pipeline.networks.families import load
from pipeline.networks.network import Network
from pipeline.networks.trained import Trained
from pipeline.sampling.prompt_tags import Tag, split_tags
from pipeline.sampling.regions import Region, attached_in
from pipeline.sampling.strength import set_strength

NETWORKS = (".safetensors", ".pt")
MASKS = (".png", ".webp", ".jpg", ".jpeg", ".bmp")


class Library:
    """Files below `folders` by their names without ending, as A1111 lists them, or by their paths inside the
    folder (`style/ink`). What was loaded once stays, for one base.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.folders = tuple(folders)
        self._names: dict[str, set[Path]] = {}
        for folder in self.folders:
            if not folder.is_dir():
                raise UserError(f"{folder}: no such folder of networks")
            for path in sorted(folder.rglob("*")):
                inside = path.relative_to(folder)
                for name in _names(inside):
                    self._names.setdefault(name, set()).add(path)
        self._loaded: dict[tuple[Path, int], Trained] = {}
        self._base: BaseModel | None = None

    def find(self, name: str) -> Path:
        """The file of that name; none, or several, is a user error."""
        found = sorted(self._names.get(name, ()))
        if not found:
            where = ", ".join(map(str, self.folders)) or "no folder of networks was given"
            raise UserError(f"no network or mask is called {name!r} ({where}); {nearest(name, self._names)}")
        if len(found) > 1:
            raise UserError(
                f"{name!r} is the name of {len(found)} files ({', '.join(map(str, found))});"
                " write the path inside its folder"
            )
        return found[0]

    def used(self, prompt: str) -> dict[str, Path]:
        """The files that the prompt calls, masks too, by the names that it has for them."""
        _, tags = split_tags(prompt)
        names = [name for tag in tags for name in (tag.name, tag.mask) if name]
        return {name: self.find(name) for name in names}

    @contextmanager
    def attached(self, base: BaseModel, tags: Sequence[Tag]) -> Iterator[None]:
        """Inside, the base acts with the networks that are called, each at its strength."""
        times = Counter[Path]()
        with ExitStack() as stack:
            for tag in tags:
                path = self.find(tag.name)
                network = self._network(base, path, times[path])
                times[path] += 1
                set_strength(network, base, tag.weight, tag.blocks, tag.unet_weight)
                if tag.mask is None:
                    stack.enter_context(network.attached(base))
                    continue
                if not isinstance(network, Network):
                    raise UserError(f"{path} acts on the prompt or its use, which has no region; drop mask=")
                stack.enter_context(attached_in(network, base, Region.read(self.find(tag.mask), tag.channel)))
            yield

    def _network(self, base: BaseModel, path: Path, time: int) -> Trained:
        """Called twice in one prompt, a network is there twice."""
        if base is not self._base:
            self._loaded, self._base = {}, base
        if (path, time) not in self._loaded:
            self._loaded[path, time] = load(path, base).to(base.unet.device)
        return self._loaded[path, time]


def _names(inside: Path) -> tuple[str, ...]:
    if inside.suffix.lower() in NETWORKS:
        return inside.stem, inside.with_suffix("").as_posix()
    return (inside.name, inside.as_posix()) if inside.suffix.lower() in MASKS else ()
