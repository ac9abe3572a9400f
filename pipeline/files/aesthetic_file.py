"""Aesthetic embeddings: the mean CLIP embedding [1, width] of a set of pictures.

| layout | holds |
|---|---|
| .pt of vicgalle's and AUTOMATIC1111's aesthetic gradients (written) | the tensor alone |
| .safetensors (written) | `aesthetic` |

Source: AUTOMATIC1111/stable-diffusion-webui-aesthetic-gradients aesthetic_clip.py.
"""

from pathlib import Path

from torch import Tensor

from pipeline.errors import UserError
from pipeline.files.atomic import write_bytes
from pipeline.files.damage import reporting_damage
from pipeline.files.finite import insist_on_finite
from pipeline.files.kinds import AESTHETIC_KEY
from pipeline.files.pickled import pickled, unpickled
from pipeline.files.safetensors_file import read_safetensors, write_safetensors


def read_aesthetic(path: Path) -> Tensor:
    """[1, width] in float32. Raises UserError for a missing or damaged file or one with other contents;
    torch's `weights_only` reads a .pt without running its code.
    """
    read = unpickled(path) if path.suffix == ".pt" else read_safetensors(path)[0].get(AESTHETIC_KEY)
    with reporting_damage(f"{path} is not an aesthetic embedding"):
        if not isinstance(read, Tensor) or read.dim() not in (1, 2) or not 0 < read.numel() == read.shape[-1]:
            raise UserError(
                f"{path} is not an aesthetic embedding, which has one tensor [1, width]; name another file"
            )
        insist_on_finite(path, {AESTHETIC_KEY: read})
        return read.detach().float().reshape(1, -1)


def write_aesthetic(path: Path, embedding: Tensor) -> None:
    """Writes [1, width], whole or not at all; the suffix decides the layout."""
    if path.suffix == ".pt":
        write_bytes(path, pickled(embedding))
    elif path.suffix == ".safetensors":
        write_safetensors(path, {AESTHETIC_KEY: embedding}, {"format": "pt"})
    else:
        raise UserError(f"{path}: an aesthetic embedding must be a .pt (A1111's extension) or a .safetensors")
