"""A recipe's steps as a tree that computes one tensor at a time; it is checked when it is built, before a
number is read.
"""

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from pipeline.bases.weight_names import is_buffer, part_of
from pipeline.errors import UserError
from pipeline.files.tensor_file import Stored
from pipeline.merging.agreement import FIRST_CONVOLUTION, MERGED_PARTS, alike, differences, input_channels
from pipeline.merging.methods import ALWAYS_MIXES, IN_PIECES, METHODS
from pipeline.merging.weights import WeightOf


class Node(Protocol):
    """A step, or a checkpoint."""

    @property
    def label(self) -> str:
        """Its name in errors."""
        ...

    @property
    def blocks(self) -> tuple[str, ...]: ...

    @property
    def tensors(self) -> Mapping[str, Stored]:
        """Type and shape of each tensor of the result."""
        ...

    def unchanged(self, name: str) -> Stored | None:
        """The stored tensor with exactly the result's numbers; None if they must be computed."""
        ...

    def in_pieces(self, name: str) -> bool:
        """Whether a span of the result needs only that span of the inputs."""
        ...

    def source(self, name: str) -> Hashable:
        """What the result depends on: equal if the numbers are, in trees over the same inputs."""
        ...

    def numbers(self, name: str, start: int, stop: int) -> Tensor:
        """float32 [stop - start] of the flattened result; the whole tensor if not `in_pieces`."""
        ...


@dataclass(frozen=True)
class Leaf:
    """A checkpoint without changes."""

    label: str
    blocks: tuple[str, ...]
    tensors: Mapping[str, Stored]

    def unchanged(self, name: str) -> Stored:
        return self.tensors[name]

    def in_pieces(self, name: str) -> bool:  # noqa: ARG002
        return True

    def source(self, name: str) -> Hashable:  # noqa: ARG002
        return self.label

    def numbers(self, name: str, start: int, stop: int) -> Tensor:
        return self.tensors[name].read(start, stop).float()


class Merge:
    """A method over models. The first is A (or the base): the result has its tensors."""

    def __init__(
        self,
        method: str,
        models: Mapping[str, Node | Sequence[Node]],
        weights: Mapping[str, WeightOf],
        options: Mapping[str, Any],
    ) -> None:
        self.method, self.models, self.weights, self.options = method, models, weights, options
        self.nodes = [
            node for value in models.values() for node in (value if isinstance(value, Sequence) else [value])
        ]
        self.first = self.nodes[0]
        self.label, self.blocks, self.tensors = method, self.first.blocks, self.first.tensors
        if problems := [problem for other in self.nodes[1:] for problem in differences(self.first, other)]:
            raise UserError(*problems)

    def unchanged(self, name: str) -> Stored | None:
        node = self._passes_on(name)
        return node.unchanged(name) if node else None

    def in_pieces(self, name: str) -> bool:
        if (node := self._passes_on(name)) is not None:
            return node.in_pieces(name)
        has_extra = name == FIRST_CONVOLUTION and self._extra_channels()
        return self.method in IN_PIECES and not has_extra and all(node.in_pieces(name) for node in self.nodes)

    def source(self, name: str) -> Hashable:
        if (node := self._passes_on(name)) is not None:
            return node.source(name)
        weights = tuple(weight(name) for weight in self.weights.values())
        sources = tuple(node.source(name) for node in self.nodes)
        return self.method, weights, tuple(self.options.items()), sources

    def numbers(self, name: str, start: int, stop: int) -> Tensor:
        if (node := self._passes_on(name)) is not None:
            return node.numbers(name, start, stop)
        if self.in_pieces(name):
            return self._apply(name, lambda node: node.numbers(name, start, stop))
        result = self._whole(name)
        return result.flatten()

    def _whole(self, name: str) -> Tensor:
        shape = self.tensors[name].shape
        if name == FIRST_CONVOLUTION and self._extra_channels():
            common = min(node.tensors[name].shape[1] for node in self.nodes)
            result = _tensor(self.first, name).clone()
            result[:, :common] = self._apply(name, lambda node: _tensor(node, name)[:, :common].contiguous())
            return result
        return self._apply(name, lambda node: _tensor(node, name).reshape(shape))

    def _apply(self, name: str, get: Callable[[Node], Tensor]) -> Tensor:
        given = {
            role: [get(node) for node in value] if isinstance(value, Sequence) else get(value)
            for role, value in self.models.items()
        }
        weights = {key: weight(name) for key, weight in self.weights.items()}
        options = dict(self.options)
        if "seed" in options:
            options["seed"] = seed_of(options["seed"], name)
        return METHODS[self.method](**given, **weights, **options)

    def _passes_on(self, name: str) -> Node | None:
        """The model whose tensor is the result; None if it must be computed."""
        part = part_of(name)
        is_number = self.tensors[name].dtype.is_floating_point
        if part not in MERGED_PARTS or is_buffer(name) or not is_number:
            return self.first
        if any(
            name not in node.tensors for node in self.nodes
        ):  # a VAE, or a weight that no picture depends on
            return self.first
        weights = [weight(name) for weight in self.weights.values()]
        if not any(weights) and (self.method not in ALWAYS_MIXES or part == "vae"):
            return self.first
        if self.method == "weighted_sum" and weights == [1] and not self._extra_channels():
            return self.nodes[1]
        return None

    def _extra_channels(self) -> bool:
        return len({input_channels(node.tensors) for node in self.nodes}) > 1


@dataclass(frozen=True)
class ReplacedVae:
    """A model with another VAE."""

    model: Node
    vae: Mapping[str, Stored]
    label: str

    def __post_init__(self) -> None:
        ours = {name: stored for name, stored in self.model.tensors.items() if part_of(name) == "vae"}
        wrong = sorted(name for name, stored in ours.items() if not alike(stored, self.vae.get(name)))
        if wrong:
            raise UserError(
                f"{self.label} is another kind of VAE than {self.model.label}'s:"
                f" {len(wrong)} tensors differ ({', '.join(wrong[:3])} ...)"
            )

    @property
    def blocks(self) -> tuple[str, ...]:
        return self.model.blocks

    @property
    def tensors(self) -> Mapping[str, Stored]:
        return {**self.model.tensors, **self.vae}

    def unchanged(self, name: str) -> Stored | None:
        return self.vae.get(name) or self.model.unchanged(name)

    def in_pieces(self, name: str) -> bool:
        return name in self.vae or self.model.in_pieces(name)

    def source(self, name: str) -> Hashable:
        return self.label if name in self.vae else self.model.source(name)

    def numbers(self, name: str, start: int, stop: int) -> Tensor:
        if name in self.vae:
            return self.vae[name].read(start, stop).float()
        return self.model.numbers(name, start, stop)


class Changes(Protocol):
    """What a network adds to weights."""

    @property
    def label(self) -> str:
        """The recipe's name for it."""
        ...

    def __contains__(self, name: str) -> bool: ...

    def delta(self, name: str, weight: Tensor) -> Tensor:
        """At strength 1, in the weight's shape."""
        ...


@dataclass(frozen=True)
class Baked:
    """A model with a network's change added: W + r delta, r by block."""

    model: Node
    changes: Changes
    strength: WeightOf
    label: str = "bake"

    @property
    def blocks(self) -> tuple[str, ...]:
        return self.model.blocks

    @property
    def tensors(self) -> Mapping[str, Stored]:
        return self.model.tensors

    def _is_changed(self, name: str) -> bool:
        return name in self.changes and self.strength(name) != 0

    def unchanged(self, name: str) -> Stored | None:
        return None if self._is_changed(name) else self.model.unchanged(name)

    def in_pieces(self, name: str) -> bool:
        return not self._is_changed(name) and self.model.in_pieces(name)

    def source(self, name: str) -> Hashable:
        inner = self.model.source(name)
        return (self.changes.label, self.strength(name), inner) if self._is_changed(name) else inner

    def numbers(self, name: str, start: int, stop: int) -> Tensor:
        if not self._is_changed(name):
            return self.model.numbers(name, start, stop)
        weight = _tensor(self.model, name)
        return weight.add(self.changes.delta(name, weight), alpha=self.strength(name)).flatten()


def _tensor(node: Node, name: str) -> Tensor:
    stored = node.tensors[name]
    return node.numbers(name, 0, stored.numel).reshape(stored.shape)


def seed_of(seed: int, name: str) -> int:
    """A different seed for each tensor, independent of the order in which they are merged."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return int.from_bytes(digest[:7], "big")
