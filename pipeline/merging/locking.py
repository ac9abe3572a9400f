"""Opens and hashes a recipe's inputs and checks them for NaN and infinity, in one pass."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from pipeline.bases.encoder_files import encoders_sha256
from pipeline.bases.weight_names import is_buffer
from pipeline.config.recipes import other_encoders
from pipeline.errors import UserError
from pipeline.files.finite import broken, is_finite, pieces
from pipeline.files.hashing import sha256_of_tree
from pipeline.files.tensor_file import InFile, Stored, TensorFile
from pipeline.merging.stream import WORKERS
from pipeline.schemas.recipe import Input, Recipe


def paths_of(recipe: Recipe) -> dict[str, Path]:
    """The inputs' paths by name."""
    return {name: Path(_entry(given).path) for name, given in recipe.inputs.items()}


def locked(recipe: Recipe, files: Mapping[str, tuple[TensorFile, ...]]) -> Recipe:
    """The recipe with each input's hashes. Raises UserError, with all problems, for files other than the
    recipe's and for numbers that are not finite.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        paths = paths_of(recipe)
        scans = dict(zip(paths, pool.map(lambda name: _scan(paths[name], files[name]), paths), strict=True))
    problems, encoders = [], {}
    for name, (digest, sick) in scans.items():
        entry = _entry(recipe.inputs[name])
        encoders[name] = encoders_sha256(Path(entry.path))
        if (expected := entry.text_encoders_sha256) and encoders[name] != expected:
            problems.append(f"inputs.{name}: {other_encoders(entry.path, encoders[name], expected)}")
        if entry.sha256 and entry.sha256 != digest:
            problems.append(
                f"inputs.{name}: {entry.path} has the sha256 {digest}, the recipe asks for {entry.sha256};"
                " put the right file there, or leave sha256 out"
            )
        if sick:
            problems.append(f"inputs.{name}: {broken(entry.path, sick)}")
    if problems:
        raise UserError(*problems)
    inputs = {
        name: Input(
            path=_entry(recipe.inputs[name]).path,
            sha256=scans[name][0],
            text_encoders_sha256=encoders[name],
        )
        for name in recipe.inputs
    }
    return recipe.model_copy(update={"inputs": inputs})


def _entry(given: str | Input) -> Input:
    return Input(path=given) if isinstance(given, str) else given


def _scan(path: Path, files: tuple[TensorFile, ...]) -> tuple[str, list[str]]:
    """(sha256, names of tensors with NaN or infinity)."""
    in_file = all(isinstance(stored.bytes, InFile) for file in files for stored in file.tensors.values())
    if len(files) == 1 and path.is_file() and in_file:
        return _scan_file(files[0])
    digest = sha256_of_tree(path)
    assert digest
    weights = ((name, own) for file in files for name, own in file.tensors.items() if not is_buffer(name))
    return digest, [name for name, own in weights if not _finite(own)]


def _scan_file(file: TensorFile) -> tuple[str, list[str]]:
    """Reads each byte once: the header, then the tensors, which follow it without gaps."""
    placed = sorted((stored.bytes.offset, name) for name, stored in file.tensors.items()
                    if isinstance(stored.bytes, InFile) and stored.numel)  # fmt: skip
    digest, sick = hashlib.sha256(), []
    with file.path.open("rb") as raw:
        digest.update(raw.read(placed[0][0] if placed else -1))
    for _, name in placed:
        finite = True
        for piece in pieces(file.tensors[name]):
            digest.update(memoryview(piece.view(torch.uint8).numpy()))  # type: ignore[arg-type]
            finite = finite and is_finite(piece)
        if not finite and not is_buffer(name):
            sick.append(name)
    return digest.hexdigest(), sick


def _finite(stored: Stored) -> bool:
    return all(map(is_finite, pieces(stored)))
