"""Single-file checkpoints of all kinds: .safetensors or .ckpt, with old names, with averaged weights only, or
without one of their parts.

Averaged (EMA) weights are under `model_ema.`, their names without dots (CompVis/stable-diffusion
ldm/modules/ema.py): `model.diffusion_model.out.2.weight` is `model_ema.diffusion_modelout2weight`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.bases.encoder_files import encoder_files, encoders_cure, insist_on_plain
from pipeline.bases.facts import FamilyFacts
from pipeline.bases.origins import Origin
from pipeline.bases.parts import Part
from pipeline.bases.structure import EMA_PREFIX
from pipeline.errors import warn
from pipeline.files.tensor_file import TensorFile, open_tensors


@dataclass(frozen=True)
class Outline:
    """A file's content without its numbers."""

    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]


def open_files(path: Path) -> tuple[TensorFile, ...]:
    """The file, and those of text encoders alone, with their tensors under a whole checkpoint's names."""
    file = open_tensors(path)
    shapes = {name: stored.shape for name, stored in file.tensors.items()}
    return file, *(_under(each.prefix, open_tensors(each.path)) for each in encoder_files(path, shapes))


def _under(prefix: str, file: TensorFile) -> TensorFile:
    """A text encoder's file with its names in a whole checkpoint."""
    insist_on_plain(file.path, file.tensors)
    tensors = {prefix + name: stored for name, stored in file.tensors.items()}
    return TensorFile(file.path, tensors, file.metadata)


def file_of_part(path: Path, part: Part) -> Path:
    """The file that a part is read from: the checkpoint's, or the part's own."""
    shapes = {name: stored.shape for name, stored in open_tensors(path).tensors.items()}
    own = (each.path for each in encoder_files(path, shapes) if each.prefix == part.file_prefix)
    return next(own, path)


def open_base(path: Path) -> TensorFile:
    """All of these as one file."""
    file, *others = open_files(path)
    tensors = {name: stored for each in (file, *others) for name, stored in each.tensors.items()}
    return TensorFile(path, tensors, file.metadata) if others else file


def outline_of(path: Path) -> Outline:
    """The outline of a .safetensors, .ckpt or .pt file. Raises UserError if it is damaged."""
    file = open_base(path)
    return Outline({name: stored.shape for name, stored in file.tensors.items()}, dict(file.metadata))


def ema_name(name: str) -> str:
    """Name of the averaged weight, from the name of a U-Net's weight in a single file."""
    return EMA_PREFIX + name.removeprefix("model.").replace(".", "")


def older_name(name: str) -> str:
    """A text encoder's single-file name without the level `text_model.`, as in some files."""
    return name.replace(".text_model.", ".", 1)


def as_there(part: Part, origins: Mapping[str, Origin], shapes: Collection[str]) -> dict[str, Origin]:
    """Each tensor under its name in the file: for a denoiser the averaged weights if the file has no others,
    for a text encoder older names.
    """
    other = {"unet": ema_name}.get(part.name, older_name if part.is_clip else None)
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
        warn(f"{path} has only averaged (EMA) weights; these are used")


def why_absent(part: Part, shapes: Iterable[str], facts: FamilyFacts | None = None) -> str | None:
    """Why a part is not in a file, and the cure; None if some of it is there. `facts`: of its family."""
    signs = (part.file_prefix, EMA_PREFIX) if part.name == "unet" else (part.file_prefix,)
    if any(name.startswith(signs) for name in shapes):
        return None
    return f"has no {part.title}: {_cure(part, facts)}"


def _cure(part: Part, facts: FamilyFacts | None) -> str:
    if part.name == "vae":
        return "set base.vae to one (a .safetensors, .ckpt or .pt file, or a diffusers folder)"
    if part.library == "transformers":
        return encoders_cure(facts)
    return "choose a whole checkpoint"


def alone(names: Collection[str], parts: Sequence[Part]) -> str | None:
    """Names the part if a file holds only a denoiser. `parts`: of the denoiser's family."""
    texts = [part for part in parts if part.library == "transformers" and not part.is_optional]
    absent = all(why_absent(part, names) for part in texts)
    title = next((part.title for part in parts), "")
    return f"a {title} without a text encoder" if texts and absent else None
