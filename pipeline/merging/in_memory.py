"""A recipe's result in a loaded base, without a file: grids of ratios and presets draw with it.

merges = Merges(content)                          # inputs opened, hashed and checked once
cell = {"merge.alpha": 0.3, "merge.alpha.base_alpha": 1}
key(merge=merges.identity(cell), ...)             # for the store: depends on content alone
with merges.applied(cell, base): draw(base, ...)  # outside, the base is as before
"""

from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from pipeline.bases.base import Base
from pipeline.config.recipes import RecipeContent, parse, varied
from pipeline.errors import UserError
from pipeline.merging.build import build, open_inputs
from pipeline.merging.header import recipe_text
from pipeline.merging.locking import locked
from pipeline.merging.stream import result_type
from pipeline.merging.tree import Node
from pipeline.schemas.recipe import Recipe

RecipeOverrides = Mapping[str, Any]
"""Other values for dotted keys of the recipe."""


class Merges:
    """Variations of one recipe."""

    def __init__(self, content: RecipeContent, origin: str = "merge.recipe") -> None:
        self.content, self.origin = content, origin
        recipe = parse(content, origin)
        self.opened = open_inputs(recipe)
        self.inputs = locked(recipe, self.opened.files).inputs

    def recipe(self, overrides: RecipeOverrides) -> Recipe:
        """The varied recipe, locked. A variation uses the same inputs."""
        recipe = parse(varied(self.content, overrides), self.origin)
        return recipe.model_copy(update={"inputs": self.inputs})

    def identity(self, overrides: RecipeOverrides) -> str:
        """Equal if the merged weights are: the locked recipe, without paths."""
        return recipe_text(self.recipe(overrides))

    def node(self, overrides: RecipeOverrides) -> Node:
        return build(self.recipe(overrides).merge, self.opened)

    @contextmanager
    def applied(self, overrides: RecipeOverrides, base: Base) -> Iterator[None]:
        """Inside, the base has the merged weights, rounded as in the file."""
        merged = MergedBase(self, base)
        try:
            merged.become(overrides)
            yield
        finally:
            merged.become(None)


class MergedBase:
    """A loaded base that takes on one variation after another. A tensor is merged again only if the recipe
    changes it; the base's own tensor is kept aside only if the merged one differs.
    """

    def __init__(self, merges: Merges, base: Base) -> None:
        self.merges = merges
        self.parameters = {
            base.family.origin(part, key, base.configs).key: parameter
            for part, module in base.loaded().items()
            for key, parameter in module.named_parameters()
            if parameter.dtype != torch.int8  # T5 in 8 bits, which is no merge's subject
        }
        self.own: dict[str, torch.Tensor] = {}
        self.sources: dict[str, Hashable] = {}

    def become(self, overrides: RecipeOverrides | None) -> int:
        """None: the base as it was. Returns the number of merged tensors. After an error, the base is as it
        was.
        """
        if overrides is None:
            self._restore()
            return 0
        recipe = self.merges.recipe(overrides)
        node, dtype, number = self.merges.node(overrides), recipe.dtype, 0
        try:
            for name, parameter in self.parameters.items():
                source = node.source(name) if name in node.tensors else None
                if source is None or self.sources.get(name) != source:
                    self._replace(name, _merged(node, name, self.own.get(name, parameter.data), dtype))
                    self.sources[name] = source
                    number += 1
        except BaseException:
            self._restore()
            raise
        return number

    def _replace(self, name: str, merged: torch.Tensor) -> None:
        parameter = self.parameters[name]
        own = self.own.pop(name, parameter.data)
        if torch.equal(merged, own):
            parameter.data = own
        else:
            self.own[name], parameter.data = own, merged

    def _restore(self) -> None:
        for name, own in self.own.items():
            self.parameters[name].data = own
        self.own, self.sources = {}, {}


@torch.no_grad()
def _merged(node: Node, name: str, like: torch.Tensor, dtype: str) -> torch.Tensor:
    stored = node.tensors.get(name)
    if stored is None or stored.numel != like.numel():
        raise UserError(
            f"{name} is {list(stored.shape) if stored else 'missing'} in the merge, {list(like.shape)} in the"
            " base: `base` must be of the merged checkpoints' family"
        )
    numbers = node.numbers(name, 0, stored.numel)
    return numbers.to(result_type(name, stored, dtype)).reshape(like.shape).to(like.device, like.dtype)
