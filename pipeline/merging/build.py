"""Makes a merged file from a recipe: opens and checks the inputs, builds the tree that computes each tensor,
and writes. Everything is checked before the first byte is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.bases.unet_names import LDM_UNET_PREFIX
from pipeline.config.recipes import children
from pipeline.files.tensor_file import Stored, TensorFile
from pipeline.merging.checkpoint import CheckpointFile, open_checkpoint, open_vae
from pipeline.merging.header import metadata
from pipeline.merging.locking import locked, paths_of
from pipeline.merging.markers import marked, prediction_of_result
from pipeline.merging.stream import stream
from pipeline.merging.tree import Baked, Leaf, Merge, Node, ReplacedVae
from pipeline.merging.weights import weight_of
from pipeline.schemas.recipe import BakeStep, Recipe, ReplaceVaeStep

ALPHA_AND_BETA = ("alpha", "beta")
OPTIONS = ("density", "drop", "seed")


@dataclass(frozen=True)
class Opened:
    """The opened inputs, by the recipe's names."""

    checkpoints: Mapping[str, CheckpointFile]
    vaes: Mapping[str, Mapping[str, Stored]]
    networks: Mapping[str, TensorFile]
    files: Mapping[str, tuple[TensorFile, ...]]


def open_inputs(recipe: Recipe) -> Opened:
    """Opens each input once per role."""
    paths, roles = paths_of(recipe), set(_roles(recipe.merge))
    checkpoints = {name: open_checkpoint(path) for name, path in paths.items() if (name, "model") in roles}
    vaes = {name: open_vae(path) for name, path in paths.items() if (name, "vae") in roles}
    networks = {name: _network(path) for name, path in paths.items() if (name, "network") in roles}
    files: dict[str, tuple[TensorFile, ...]] = {name: (file,) for name, file in networks.items()}
    files |= {name: opened for name, (_, opened) in vaes.items()}
    files |= {name: checkpoint.files for name, checkpoint in checkpoints.items()}
    return Opened(checkpoints, {name: tensors for name, (tensors, _) in vaes.items()}, networks, files)


def _network(path: Path) -> TensorFile:
    from pipeline.merging.network_changes import open_network  # loads diffusers

    return open_network(path)


def _roles(step: Any) -> list[tuple[str, str]]:
    """(input, its role): model, network or vae."""
    if isinstance(step, str):
        return [(step, "model")]
    own = [(step.network, "network")] if isinstance(step, BakeStep) else []
    own += [(step.vae, "vae")] if isinstance(step, ReplaceVaeStep) else []
    for child in children(step).values():
        for node in child if isinstance(child, list) else [child]:
            own += _roles(node)
    return own


def build(step: Any, opened: Opened, key: str = "merge") -> Node:
    """Builds the tree; `key` is the step's key in the recipe, for errors."""
    if isinstance(step, str):
        checkpoint = opened.checkpoints[step]
        return Leaf(step, checkpoint.blocks, checkpoint.tensors)
    models: dict[str, Any] = {
        role: [build(one, opened, f"{key}.{role}") for one in child] if isinstance(child, list)
        else build(child, opened, f"{key}.{role}")
        for role, child in children(step).items()
    }  # fmt: skip
    if isinstance(step, ReplaceVaeStep):
        return ReplacedVae(models["model"], opened.vaes[step.vae], step.vae)
    first = next(iter(models.values()))
    if isinstance(step, BakeStep):
        return _baked(step, first, opened.networks[step.network], f"{key}.strength")
    weights = {
        name: weight_of(getattr(step, name), first.blocks, f"{key}.{name}")
        for name in ALPHA_AND_BETA
        if hasattr(step, name)
    }
    return Merge(
        step.method, models, weights, {name: getattr(step, name) for name in OPTIONS if hasattr(step, name)}
    )


def _baked(step: BakeStep, model: Node, network: TensorFile, key: str) -> Node:
    """A full fine-tune's file is a checkpoint: its change at strength s is the weighted sum W + s (W' -
    W).
    """
    strength = weight_of(step.strength, model.blocks, key)
    if any(name.startswith(LDM_UNET_PREFIX) for name in network.tensors):
        tuned = open_checkpoint(network.path)
        models = {"a": model, "b": Leaf(step.network, tuned.blocks, tuned.tensors)}
        return Merge("weighted_sum", models, {"alpha": strength}, {})
    from pipeline.merging.network_changes import NetworkChanges  # loads diffusers

    return Baked(model, NetworkChanges(step.network, network, model.tensors), strength)


def first_input(step: Any) -> str:
    """The checkpoint whose tensors the result has."""
    while not isinstance(step, str):
        step = next(iter(children(step).values()))
    return step


def run_recipe(recipe: Recipe, out: Path) -> dict[str, Any]:
    """Writes `out`, a single .safetensors file; returns facts about it."""
    opened = open_inputs(recipe)
    node = build(recipe.merge, opened)
    recipe = locked(recipe, opened.files)
    first = opened.checkpoints[first_input(recipe.merge)]
    header = metadata(recipe, first, opened.checkpoints)
    prediction = prediction_of_result(first, recipe, opened.networks.values())
    stream(marked(node, prediction), out, recipe.dtype, recipe.drop, header)
    return facts_of(recipe, node)


def facts_of(recipe: Recipe, node: Node) -> dict[str, Any]:
    """The number of layers that differ from the first checkpoint's, and the inputs' sha256, from a locked
    recipe.
    """
    first = first_input(recipe.merge)
    changed = {name.rpartition(".")[0] for name in node.tensors if node.source(name) != first}
    return {
        "layers_changed": len(changed),
        "inputs": {name: entry["sha256"] for name, entry in recipe.model_dump()["inputs"].items()},
    }
