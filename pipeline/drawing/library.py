"""Loads the networks and embeddings that prompts call; sets a network's weight as a whole and by block."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.bases.base import Base
from pipeline.bases.clip_text import words_of
from pipeline.bases.layers import changeable_layers
from pipeline.drawing.named_files import NO_FILES, NamedFiles
from pipeline.drawing.regions import Region, attached_in
from pipeline.errors import UserError
from pipeline.networks.embedding import Embedding
from pipeline.networks.families import load
from pipeline.networks.hypernetwork import Hypernetwork
from pipeline.networks.network import AdapterNetwork
from pipeline.networks.trained import Trainable
from pipeline.prompts.block_weights import BASE, BlockWeights
from pipeline.prompts.network_tags import NetworkTag, insist_on_none, split_tags


@dataclass(frozen=True)
class Calls:
    """The networks and embedding files that a prompt calls."""

    tags: tuple[NetworkTag, ...]
    embeddings: tuple[Path, ...] = ()


class Library:
    """Keeps what it has loaded for one base. `files`: what prompts may call."""

    def __init__(self, files: NamedFiles = NO_FILES) -> None:
        self.files = files
        self._loaded: dict[tuple[Path, int], Trainable] = {}
        self._base: Base | None = None

    def calls(self, prompt: str, negative_prompt: str) -> Calls:
        """What both prompts call. Raises UserError for unknown names and networks in the negative prompt."""
        text, tags = split_tags(prompt)
        insist_on_none(negative_prompt)
        self.files.used(prompt)
        return Calls(tags, tuple(self.files.embeddings(f"{text} {negative_prompt}").values()))

    @contextmanager
    def attached(self, base: Base, calls: Calls) -> Iterator[None]:
        """Inside, the called networks are attached to the base, each with its weight."""
        times = Counter[Path]()
        with ExitStack() as stack:
            for path in dict.fromkeys(calls.embeddings):
                embedding = self._network(base, path, 0)
                assert isinstance(embedding, Embedding)
                # The caller may have attached one with that word, which has priority.
                if not {word.lower() for word in embedding.words} & words_of(base.text_encoders).keys():
                    stack.enter_context(embedding.attached(base))
            for tag in calls.tags:
                path = self.files.find(tag.name)
                network = self._network(base, path, times[path])
                times[path] += 1
                _check(network, tag, path)
                set_weight(network, base, tag.weight, tag.blocks, tag.unet_weight)
                if tag.mask is None:
                    stack.enter_context(network.attached(base))
                else:
                    assert isinstance(network, AdapterNetwork)
                    region = Region.read(self.files.find(tag.mask), tag.channel)
                    stack.enter_context(attached_in(network, base, region))
            yield

    def _network(self, base: Base, path: Path, time: int) -> Trainable:
        """Loads a second copy of a network that a prompt calls twice."""
        if base is not self._base:
            self._loaded, self._base = {}, base
        if (path, time) not in self._loaded:
            self._loaded[path, time] = load(path, base).to(base.device)
        return self._loaded[path, time]


def _check(network: Trainable, tag: NetworkTag, path: Path) -> None:
    """The file must be of the tag's kind."""
    if isinstance(network, Embedding):
        raise UserError(f"{path} is an embedding: write its word ({', '.join(network.words)}) in the prompt")
    if isinstance(network, Hypernetwork) != (tag.kind == "hypernet"):
        kind = "hypernet" if isinstance(network, Hypernetwork) else "lora"
        raise UserError(
            f"{path} is called as <{tag.kind}:...>, but it is a {kind}: write <{kind}:{tag.name}>"
        )


def set_weight(
    network: Trainable,
    base: Base,
    weight: float,
    blocks: BlockWeights | None = None,
    unet_weight: float | None = None,
) -> None:
    """Sets `weight` times each block's factor; the text encoder's block is BASE. `unet_weight`: the U-Net's
    weight if it differs.
    """
    network.set_weight(weight if unet_weight is None else unet_weight)
    if blocks is None and unet_weight in (None, weight):
        return
    if not isinstance(network, AdapterNetwork):
        raise UserError("weights by block or part need LoRA or its variants; other networks have one weight")
    layers = changeable_layers(base)
    factors = blocks.on(base.family.blocks_of(base.configs)) if blocks else None
    for name, adapter in network.adapters():
        block = layers[name].block or BASE
        whole = weight if block == BASE or unet_weight is None else unet_weight
        adapter.network_weight = whole * (factors[block] if factors else 1.0)
