"""Single-file checkpoints as people have them: .safetensors or .ckpt, with old names, with averaged weights
alone, or without one of their parts.

Averaged (EMA) weights stand under `model_ema.`, their names without dots (CompVis/stable-diffusion
ldm/modules/ema.py): `model.diffusion_model.out.2.weight` is `model_ema.diffusion_modelout2weight`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.bases.origins import Origin
from pipeline.bases.parts import Part
from pipeline.bases.structure import EMA_PREFIX
from pipeline.errors import warn
from pipeline.files.tensor_file import open_tensors

BARE = {
    "a U-Net in diffusers' layout": "down_blocks.",
    "a U-Net without its prefix": "input_blocks.",
    "a VAE": "decoder.",
    "a text encoder": "text_model.",
}
"""Files of one part, by how a key of them begins."""


@dataclass(frozen=True)
class Outline:
    """What a file holds, without its numbers."""

    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]


def outline_of(path: Path) -> Outline:
    """Of a .safetensors, .ckpt or .pt file; a damaged one is a user error."""
    file = open_tensors(path)
    return Outline({name: stored.shape for name, stored in file.tensors.items()}, dict(file.metadata))


def ema_name(name: str) -> str:
    """Name of the averaged weight, from that of a U-Net's weight in a single file."""
    return EMA_PREFIX + name.removeprefix("model.").replace(".", "")


def older_name(name: str) -> str:
    """A text encoder's single-file name without the level `text_model.`, as some files have it."""
    return name.replace(".text_model.", ".", 1)


def as_there(part: Part, origins: Mapping[str, Origin], shapes: Collection[str]) -> dict[str, Origin]:
    """Each tensor under the name that the file has: of a denoiser its averaged weights where those alone are
    there, of a text encoder older names.
    """
    other = {"unet": ema_name}.get(part.name, older_name if part.library == "transformers" else None)
    if other is None:
        return dict(origins)
    return {
        key: origin.at(other(origin.key))
        if origin.key not in shapes and other(origin.key) in shapes
        else origin
        for key, origin in origins.items()
    }


def say_averaged(path: Path, names: Iterable[str]) -> None:
    if any(name.startswith(EMA_PREFIX) for name in names):
        warn(f"{path} holds its averaged (EMA) weights alone, which are taken")


def why_absent(part: Part, shapes: Iterable[str]) -> str | None:
    """Why a part is not in a file, and the cure; None where it is there in pieces."""
    signs = (part.file_prefix, EMA_PREFIX) if part.name == "unet" else (part.file_prefix,)
    if any(name.startswith(signs) for name in shapes):
        return None
    return f"holds no {part.title}: {_cure(part)}"


def _cure(part: Part) -> str:
    if part.name == "vae":
        return "set base.vae to one (a .safetensors, .ckpt or .pt file, or a diffusers folder)"
    if part.library == "transformers":
        return (
            "it is to be used with another checkpoint's text encoder, as a U-Net alone is: choose a whole"
            " checkpoint"
        )
    return "choose a whole checkpoint"


def alone(shapes: Iterable[str], parts: Iterable[Part] = ()) -> str | None:
    """What a file holds that is a part of a checkpoint, and no whole one. `parts`: of its denoiser's
    family."""
    names, whole = list(shapes), list(parts)
    texts = [part for part in whole if part.library == "transformers"]
    if texts and all(why_absent(part, names) for part in texts):
        return "a U-Net without a text encoder"
    if whole:
        return None
    return next((what for what, start in BARE.items() if any(name.startswith(start) for name in names)), None)
