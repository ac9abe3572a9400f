"""Makes a diffusers folder from a recipe, streamed like a single file: no model is loaded."""

from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch

from pipeline.bases.base import Base
from pipeline.bases.family import Family
from pipeline.bases.origins import Origin, file_shape
from pipeline.bases.outline import outline
from pipeline.bases.registry import family, recognised, titles
from pipeline.bases.save import folder_key, write_settings
from pipeline.bases.stated import BASE_KEY, T5_TOKENIZER, stated
from pipeline.bases.t5_loaded import t5_tokenizer_of_merge
from pipeline.errors import UserError
from pipeline.files.atomic import new_folder
from pipeline.files.tensor_writer import insist_on_room, tensor_writer
from pipeline.merging.build import build, facts_of, first_input, open_inputs
from pipeline.merging.checkpoint import CheckpointFile
from pipeline.merging.folder_writer import FolderWriter, Target
from pipeline.merging.header import MERGE_KEY, metadata, recipe_text
from pipeline.merging.locking import locked
from pipeline.merging.markers import prediction_of_result
from pipeline.merging.stream import fill, result_type
from pipeline.merging.tree import Node
from pipeline.schemas.recipe import Recipe

FolderSpecs = dict[str, tuple[torch.dtype, tuple[int, ...]]]


@dataclass(frozen=True)
class FolderPart:
    """A weight file of the folder: shapes by its own keys, and the place of each in a single file."""

    file: Path
    shapes: FolderSpecs
    origins: dict[str, Origin]


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
    shapes = {name: stored.shape for name, stored in node.tensors.items()}
    model = outline(made, own, str(first.path), made.configs_of(shapes))
    model.t5_tokenizer = t5_tokenizer_of_merge(model, first.path, own.get(T5_TOKENIZER))
    prediction = prediction_of_result(first, recipe, opened.networks.values())
    if prediction.type:
        model = model.predicting(prediction.type, prediction.zero_terminal_snr)
    parts = _parts(model, node, recipe.dtype)
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


def _parts(model: Base, node: Node, dtype: str) -> list[FolderPart]:
    files, wrong = [], []
    for part in model.parts:
        tensors = model.part(part.name).state_dict()
        keys = [key for key in tensors if key not in part.tied]
        by_key = model.family.origins(part.name, keys, model.configs)
        origins = {folder_key(part, key): origin for key, origin in by_key.items()}
        sizes = {folder_key(part, key): tuple(tensors[key].shape) for key in by_key}
        absent = {key for key, origin in origins.items() if not _is_there(node, origin, sizes[key])}
        wrong += [origins[key].key for key in sizes if key in absent]
        shapes = {
            key: (result_type(origins[key].key, node.tensors[origins[key].key], dtype), size)
            for key, size in sizes.items()
            if key not in absent
        }
        files.append(FolderPart(Path(part.name) / part.weight_file, shapes, origins))
    if wrong:
        raise UserError(
            f"the merge lacks {len(wrong)} tensors of a diffusers folder, or has them in another shape"
            f" ({', '.join(wrong[:3])} ...); add a step replace_vae if the VAE is missing, or set"
            " merge.layout to file"
        )
    return files


def _is_there(node: Node, origin: Origin, shape: tuple[int, ...]) -> bool:
    """Whether the merge has the tensor, in this size."""
    stored = node.tensors.get(origin.key)
    return stored is not None and stored.numel == prod(file_shape(origin, shape))


def _stream(node: Node, folder: Path, parts: list[FolderPart], header: dict[str, str]) -> None:
    targets: dict[str, list[Target]] = {}
    types: dict[str, torch.dtype] = {}
    with ExitStack() as stack:
        for part in parts:
            writer = stack.enter_context(tensor_writer(folder / part.file, part.shapes, header))
            for key, origin in part.origins.items():
                dtype, shape = part.shapes[key]
                targets.setdefault(origin.key, []).append(Target(writer, key, origin, shape))
                types[origin.key] = dtype
        fill(node, types, FolderWriter(targets))
