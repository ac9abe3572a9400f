"""Makes a diffusers folder from a recipe, streamed like a single file: no model is loaded."""

from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch

from pipeline.bases.base import Base
from pipeline.bases.family import Family
from pipeline.bases.load import outline
from pipeline.bases.registry import family, recognised, titles
from pipeline.bases.save import folder_key, write_settings
from pipeline.bases.stated import BASE_KEY, stated
from pipeline.errors import UserError
from pipeline.files.atomic import new_folder
from pipeline.files.safetensors_file import PRECISIONS
from pipeline.files.tensor_writer import TensorWriter, insist_on_room, tensor_writer
from pipeline.merging.build import build, facts_of, first_input, open_inputs
from pipeline.merging.checkpoint import CheckpointFile
from pipeline.merging.header import MERGE_KEY, metadata, recipe_text
from pipeline.merging.locking import locked
from pipeline.merging.stream import fill
from pipeline.merging.tree import Node
from pipeline.schemas.recipe import Recipe

FolderSpecs = dict[str, tuple[torch.dtype, tuple[int, ...]]]


@dataclass(frozen=True)
class FolderPart:
    """A weight file of the folder: shapes by its own keys, and each key's single-file name."""

    file: Path
    shapes: FolderSpecs
    names: dict[str, str]


@dataclass(frozen=True)
class Parts:
    """Writes each tensor, by its single-file name, to its part's file."""

    places: dict[str, tuple[TensorWriter, str]]

    def write(self, name: str, numbers: torch.Tensor, start: int = 0) -> None:
        writer, key = self.places[name]
        writer.write(key, numbers, start)


def run_recipe_to_folder(recipe: Recipe, out: Path) -> dict[str, Any]:
    """Writes the folder `out`, completely or not at all; returns facts about it. Raises UserError before the
    first byte is written.
    """
    opened = open_inputs(recipe)
    node = build(recipe.merge, opened)
    first = opened.checkpoints[first_input(recipe.merge)]
    made = _family_of(first)
    recipe = locked(recipe, opened.files)
    own = stated(metadata(recipe, first, opened.checkpoints).get(BASE_KEY), str(first.path))
    model = outline(made, own, str(first.path))
    parts = _parts(model, node, PRECISIONS[recipe.dtype])
    insist_on_room(
        out, sum(prod(shape) * dtype.itemsize for part in parts for dtype, shape in part.shapes.values())
    )
    with new_folder(out) as folder:
        _stream(node, folder, parts, {"format": "pt", MERGE_KEY: recipe_text(recipe)})
        write_settings(model, folder)
    return facts_of(recipe, node)


def _family_of(first: CheckpointFile) -> Family:
    match = recognised({name: stored.shape for name, stored in first.tensors.items()})
    if match is None or match.facts is None or not match.trainable:
        title = match.title if match else "not a known checkpoint"
        raise UserError(
            f"{first.path} is {title}; diffusers folders can be of {titles()}: set merge.layout to file"
        )
    return family(match.facts.name)


def _parts(model: Base, node: Node, dtype: torch.dtype) -> list[FolderPart]:
    files, wrong = [], []
    for part in model.family.parts:
        tensors = model.part(part.name).state_dict()
        origins = model.family.origins(part.name, tensors, model.configs)
        names = {folder_key(part, key): origin.key for key, origin in origins.items()}
        shapes = {folder_key(part, key): (dtype, tuple(tensors[key].shape)) for key in origins}
        wrong += [
            name
            for key, name in names.items()
            if name not in node.tensors or node.tensors[name].numel != prod(shapes[key][1])
        ]
        files.append(FolderPart(Path(part.name) / part.weight_file, shapes, names))
    if wrong:
        raise UserError(
            f"the merge lacks {len(wrong)} tensors of a diffusers folder, or has them in another shape"
            f" ({', '.join(wrong[:3])} ...); add a step replace_vae if the VAE is missing, or set"
            " merge.layout to file"
        )
    return files


def _stream(node: Node, folder: Path, parts: list[FolderPart], header: dict[str, str]) -> None:
    places: dict[str, tuple[TensorWriter, str]] = {}
    with ExitStack() as stack:
        for part in parts:
            writer = stack.enter_context(tensor_writer(folder / part.file, part.shapes, header))
            places |= {name: (writer, key) for key, name in part.names.items()}
        types = {name: part.shapes[key][0] for part in parts for key, name in part.names.items()}
        fill(node, types, Parts(places))
