"""A recipe -> a merged checkpoint. Everything is checked before the first byte is written."""

from pathlib import Path
from typing import Any

from pipeline.config.schemas.recipe import Recipe
from pipeline.merging.build import build, first_input, open_inputs
from pipeline.merging.header import metadata
from pipeline.merging.locking import locked
from pipeline.merging.stream import stream


def run_recipe(recipe: Recipe, out: Path) -> dict[str, Any]:
    """Writes `out`, a single .safetensors file; returns facts about it."""
    opened = open_inputs(recipe)
    node = build(recipe.merge, opened)
    recipe = locked(recipe, opened.files)
    first = opened.checkpoints[first_input(recipe.merge)]
    header = metadata(recipe, first, opened.checkpoints)
    merged = stream(node, out, recipe.dtype, recipe.drop, header)
    return {
        "tensors_merged": merged,
        "inputs": {name: entry["sha256"] for name, entry in recipe.model_dump()["inputs"].items()},
    }
