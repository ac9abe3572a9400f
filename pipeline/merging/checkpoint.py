"""Opens a checkpoint to merge, a single file or a diffusers folder, without reading a weight."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.bases.parts_there import bare_part
from pipeline.bases.registry import recognised
from pipeline.bases.stored_base import stored_base
from pipeline.bases.stored_vae import open_vae
from pipeline.bases.weight_names import part_of
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.tensor_file import Stored, TensorFile
from pipeline.merging.weights import blocks_of


@dataclass(frozen=True)
class CheckpointFile:
    """Weights by their single-file names; `blocks` are its U-Net's."""

    path: Path
    tensors: Mapping[str, Stored]
    blocks: tuple[str, ...]
    metadata: Mapping[str, str]
    files: tuple[TensorFile, ...]


def open_checkpoint(path: Path) -> CheckpointFile:
    """A single file or a diffusers folder of SD 1.x, 2.x or SDXL. Raises UserError for anything else."""
    with reporting_damage(f"{path} is not a readable checkpoint"):
        return _checkpoint(path)


def _checkpoint(path: Path) -> CheckpointFile:
    found = stored_base(path)
    blocks = blocks_of(found.tensors)
    if blocks is None:
        shapes = {name: stored.shape for name, stored in found.tensors.items()}
        match = recognised(shapes)
        title = bare_part(shapes) or (match.title if match else "not a known checkpoint")
        raise UserError(
            f"{path} is {title}; whole checkpoints of Stable Diffusion"
            " 1.x, 2.x, 3 and SDXL can be merged, as a single file or a diffusers folder"
        )
    return CheckpointFile(path, found.tensors, blocks, found.metadata, found.files)


__all__ = ["CheckpointFile", "open_checkpoint", "open_vae", "part_of"]
