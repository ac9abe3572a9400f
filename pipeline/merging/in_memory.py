"""A recipe's result in the loaded base, without a file: what a grid of ratios and presets draws with.

merges = Merges(content)                          # inputs opened, hashed and checked once
cell = {"merge.alpha": 0.3, "merge.alpha.base_alpha": 1}
key(merge=merges.identity(cell), ...)             # for the store: follows from content alone
with merges.applied(cell, base): draw(base, ...)  # outside, the base is as before
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from pipeline.base.ldm_keys import ldm_key
from pipeline.base.load import BaseModel
from pipeline.base.save import parts_of
from pipeline.config.recipes import Content, parse, varied
from pipeline.config.schemas.recipe import Recipe
from pipeline.errors import UserError
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.merging.build import build, open_inputs
from pipeline.merging.header import recipe_text
from pipeline.merging.locking import locked
from pipeline.merging.tree import Node

Overrides = Mapping[str, Any]
"""Other values at dotted places of the recipe."""


class Merges:
    """Variations of one recipe."""

    def __init__(self, content: Content, origin: str = "merge.recipe") -> None:
        self.content, self.origin = content, origin
        recipe = parse(content, origin)
        self.opened = open_inputs(recipe)
        self.inputs = locked(recipe, self.opened.files).inputs

    def recipe(self, overrides: Overrides) -> Recipe:
        """The varied recipe, locked. A variation uses the same inputs."""
        recipe = parse(varied(self.content, overrides), self.origin)
        return recipe.model_copy(update={"inputs": self.inputs})

    def identity(self, overrides: Overrides) -> str:
        """Equal where the merged weights are: the locked recipe, without places."""
        return recipe_text(self.recipe(overrides))

    def node(self, overrides: Overrides) -> Node:
        return build(self.recipe(overrides).merge, self.opened)

    @contextmanager
    def applied(self, overrides: Overrides, base: BaseModel) -> Iterator[None]:
        """Inside, the base has the merged weights, rounded as the file would have them."""
        node, dtype = self.node(overrides), PRECISIONS[self.recipe(overrides).dtype]
        before: list[tuple[torch.nn.Parameter, torch.Tensor]] = []
        try:
            for part, module in parts_of(base).items():
                for key, parameter in module.named_parameters():
                    before.append((parameter, parameter.data))
                    parameter.data = _merged(node, ldm_key(part, key), parameter.data, dtype)
            yield
        finally:
            for parameter, data in before:
                parameter.data = data


@torch.no_grad()
def _merged(node: Node, name: str, like: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    stored = node.tensors.get(name)
    if stored is None or stored.numel != like.numel():
        raise UserError(
            f"the merge gives {name} as {list(stored.shape) if stored else 'nothing'}, the base has"
            f" {list(like.shape)}: `base` must be of the merged checkpoints' family"
        )
    numbers = node.numbers(name, 0, stored.numel)
    return numbers.to(dtype).reshape(like.shape).to(like.device, like.dtype)
