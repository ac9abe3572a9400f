"""The networks that a prompt may call by name, and the embeddings whose words it may hold: the files of given
folders.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline.bases.base import Base
from pipeline.bases.new_tokens import words_of
from pipeline.bases.tokens import words_in
from pipeline.drawing.regions import Region, attached_in
from pipeline.drawing.strength import set_strength
from pipeline.errors import UserError, warn
from pipeline.files.embedding_file import read_embeddings
from pipeline.networks.embedding import Embedding
from pipeline.networks.families import family_of_file, load
from pipeline.networks.hypernetwork import Hypernetwork
from pipeline.networks.network import Network
from pipeline.networks.trained import Trained
from pipeline.prompts.named_files import NETWORKS, NamedFiles, insist_on_none
from pipeline.prompts.network_tags import Tag, split_tags

EMBEDDING_BYTES = 1 << 22
"""No embedding is larger: 75 vectors of a few KiB; only files up to this are looked into for words."""


@dataclass(frozen=True)
class Calls:
    """What a prompt asks for: networks, and embedding files."""

    tags: tuple[Tag, ...]
    embeddings: tuple[Path, ...] = ()


class Library(NamedFiles):
    """What was loaded once stays, for one base."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        super().__init__(folders)
        self._loaded: dict[tuple[Path, int], Trained] = {}
        self._base: Base | None = None

    @cached_property
    def words(self) -> dict[str, Path]:
        """Embedding files by their words, lower-cased."""
        found: dict[str, Path] = {}
        for path in sorted({path for paths in self._names.values() for path in paths}):
            for word in _words(path):
                if found.setdefault(word, path) != path:
                    raise UserError(f"{found[word]} and {path} are both called {word!r}; rename one of them")
        return found

    def used(self, prompt: str) -> dict[str, Path]:
        """The files that the prompt needs, masks too, by the names that it has for them."""
        text, tags = split_tags(prompt)
        return self.of_tags(tags) | self.embeddings(text)

    def calls(self, prompt: str, negative_prompt: str) -> Calls:
        """What both prompts ask for; a name that is not there, or a network in the negative prompt, is a user
        error.
        """
        text, tags = split_tags(prompt)
        insist_on_none(negative_prompt)
        self.used(prompt)
        return Calls(tags, tuple(self.embeddings(f"{text} {negative_prompt}").values()))

    def embeddings(self, text: str) -> dict[str, Path]:
        """The files whose words the text calls, by word."""
        return {word: self.words[word] for word in words_in(text, self.words)}

    @contextmanager
    def attached(self, base: Base, calls: Calls) -> Iterator[None]:
        """Inside, the base acts with the networks that are called, each at its strength."""
        times = Counter[Path]()
        with ExitStack() as stack:
            for path in dict.fromkeys(calls.embeddings):
                embedding = self._network(base, path, 0)
                assert isinstance(embedding, Embedding)
                # Whoever draws may have attached one of that word: it is the one that is meant.
                if not {word.lower() for word in embedding.words} & words_of(base.text_encoders).keys():
                    stack.enter_context(embedding.attached(base))
            for tag in calls.tags:
                path = self.find(tag.name)
                network = self._network(base, path, times[path])
                times[path] += 1
                _check(network, tag, path)
                set_strength(network, base, tag.weight, tag.blocks, tag.unet_weight)
                if tag.mask is None:
                    stack.enter_context(network.attached(base))
                else:
                    assert isinstance(network, Network)
                    region = Region.read(self.find(tag.mask), tag.channel)
                    stack.enter_context(attached_in(network, base, region))
            yield

    def _network(self, base: Base, path: Path, time: int) -> Trained:
        """Called twice in one prompt, a network is there twice."""
        if base is not self._base:
            self._loaded, self._base = {}, base
        if (path, time) not in self._loaded:
            self._loaded[path, time] = load(path, base).to(base.device)
        return self._loaded[path, time]


def _check(network: Trained, tag: Tag, path: Path) -> None:
    """That the file is of the kind that the tag calls."""
    if isinstance(network, Embedding):
        raise UserError(f"{path} is an embedding: write its word ({', '.join(network.words)}) in the prompt")
    if isinstance(network, Hypernetwork) != (tag.kind == "hypernet"):
        kind = "hypernet" if isinstance(network, Hypernetwork) else "lora"
        raise UserError(
            f"{path} is called as <{tag.kind}:...>, but it is a {kind}: write <{kind}:{tag.name}>"
        )


def _words(path: Path) -> list[str]:
    """Lower-cased; none where the file is no embedding."""
    if path.suffix.lower() not in NETWORKS or path.stat().st_size > EMBEDDING_BYTES:
        return []
    try:
        if family_of_file(path) != "embedding":
            return []
        return [word.lower() for word in read_embeddings(path)]
    except UserError as error:
        warn(f"not looked into for an embedding's word: {error}")
        return []
