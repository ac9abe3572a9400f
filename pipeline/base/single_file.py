"""Single-file checkpoints as people have them: .safetensors or .ckpt, with old names, with averaged weights
alone, or without one of their parts.

Averaged (EMA) weights stand under `model_ema.`, their names without dots (CompVis/stable-diffusion
ldm/modules/ema.py): `model.diffusion_model.out.2.weight` is `model_ema.diffusion_modelout2weight`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.ldm_keys import TEXT_PREFIX, UNET_PREFIX, VAE_PREFIX
from pipeline.errors import warn
from pipeline.files.tensor_file import open_tensors

EMA_PREFIX = "model_ema."
OPENCLIP_PREFIXES = ("cond_stage_model.", "conditioner.")
SIGNS_OF_PARTS = {
    "unet": (UNET_PREFIX, EMA_PREFIX),
    "vae": (VAE_PREFIX,),
    "text_encoder": (TEXT_PREFIX, *OPENCLIP_PREFIXES),
}
"""How a part's names begin."""
CURES = {
    "unet": "choose a whole checkpoint",
    "vae": "set base.vae to one (a .safetensors, .ckpt or .pt file, or a diffusers folder)",
    "text_encoder": "it is a U-Net alone, to be used with another checkpoint's text encoder: choose a whole"
    " checkpoint",
}
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
    return TEXT_PREFIX + name.removeprefix(f"{TEXT_PREFIX}text_model.")


def names_there(part: str, names: Iterable[str], shapes: Iterable[str]) -> Iterator[str]:
    """Each single-file name as the file has it: of a U-Net its averaged weights where those alone are
    there.
    """
    present = set(shapes)
    other = {"unet": ema_name, "text_encoder": older_name}.get(part)
    for name in names:
        yield other(name) if other and name not in present and other(name) in present else name


def say_averaged(path: Path, names: Iterable[str]) -> None:
    if any(name.startswith(EMA_PREFIX) for name in names):
        warn(f"{path} holds its averaged (EMA) weights alone, which are taken")


def why_absent(part: str, shapes: Iterable[str]) -> str | None:
    """Why a part is not in a file, and the cure; None where it is there in pieces."""
    if any(name.startswith(SIGNS_OF_PARTS[part]) for name in shapes):
        return None
    return f"holds no {part.replace('_', ' ')}: {CURES[part]}"


def alone(shapes: Iterable[str]) -> str | None:
    """What a file holds that is a part of a checkpoint, and no whole one."""
    names = list(shapes)
    if any(name.startswith(SIGNS_OF_PARTS["unet"]) for name in names):
        return why_absent("text_encoder", names) and "a U-Net without a text encoder"
    return next((what for what, start in BARE.items() if any(name.startswith(start) for name in names)), None)
