"""A recipe -> a merged checkpoint. Everything is checked before the first byte is written."""

from pathlib import Path
from typing import Any

from pipeline.config.schemas.recipe import Recipe
from pipeline.merging.build import build, first_input, open_inputs
from pipeline.merging.header import metadata
from pipeline.merging.locking import locked
from pipeline.merging.stream import stream
from pipeline.merging.tree import Node


def run_recipe(recipe: Recipe, out: Path) -> dict[str, Any]:
    """Writes `out`, a single .safetensors file; returns facts about it."""
    opened = open_inputs(recipe)
    node = build(recipe.merge, opened)
    recipe = locked(recipe, opened.files)
    first = opened.checkpoints[first_input(recipe.merge)]
    header = metadata(recipe, first, opened.checkpoints)
    stream(node, out, recipe.dtype, recipe.drop, header)
    return facts_of(recipe, node)


def facts_of(recipe: Recipe, node: Node) -> dict[str, Any]:
    """How many layers are other than the first checkpoint's, and the inputs' sha256, of a locked recipe."""
    first = first_input(recipe.merge)
    changed = {name.rpartition(".")[0] for name in node.tensors if node.source(name) != first}
    return {
        "layers_changed": len(changed),
        "inputs": {name: entry["sha256"] for name, entry in recipe.model_dump()["inputs"].items()},
    }
