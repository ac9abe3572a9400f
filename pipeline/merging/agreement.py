"""Checks from names and shapes whether two checkpoints can be merged, before a number is read."""

import re
from collections.abc import Mapping
from typing import Protocol

from pipeline.bases.weight_names import is_buffer, part_of
from pipeline.files.tensor_file import Stored

MERGED_PARTS = ("unet", "text_encoder", "vae")
MUST_AGREE = ("unet", "text_encoder")
OPTIONAL = re.compile(
    r".+\.logit_scale"
    r"|cond_stage_model\.(model\.|transformer\.)?text_projection(\.weight)?"
    r"|conditioner\.embedders\.0\.transformer\.text_projection\.weight"
    r"|cond_stage_model\.model\.transformer\.resblocks\.23\..+"
)
"""Weights of text encoders that no picture depends on (SD 2.x is conditioned by the layer before its last).
Some files have them, others and diffusers' folders do not; A's stay.
"""
FIRST_CONVOLUTION = "model.diffusion_model.input_blocks.0.0.weight"
PIX2PIX, INPAINTING = 8, 9
UNET_CHANNELS = {4: "an ordinary checkpoint", PIX2PIX: "instruct-pix2pix", INPAINTING: "inpainting"}
"""Input channels of the U-Net."""


class NamedWeights(Protocol):
    """A checkpoint or a step's result, by its name in errors."""

    @property
    def label(self) -> str: ...

    @property
    def tensors(self) -> Mapping[str, Stored]: ...


def differences(a: NamedWeights, b: NamedWeights) -> list[str]:
    """Why `b` cannot be merged into `a`: the first keys and shapes that differ."""
    ours, theirs = _merged(a.tensors), _merged(b.tensors)
    lacking, extra = _missing(ours, theirs), _missing(theirs, ours)
    shapes = sorted(
        name for name in ours.keys() & theirs.keys()
        if not alike(ours[name], theirs[name]) and name != FIRST_CONVOLUTION
    )  # fmt: skip
    problems = _channels(a, b)
    if lacking or extra or shapes:
        parts = [
            f"{len(names)} {what} ({', '.join(names[:3])}{' ...' if len(names) > 3 else ''})"
            for names, what in ((lacking, "missing in the second"), (extra, "missing in the first"))
            if names
        ]
        if shapes:
            name = shapes[0]
            parts.append(
                f"{len(shapes)} of another shape ({name}: {list(ours[name].shape)}"
                f" and {list(theirs[name].shape)})"
            )
        problems.append(f"{a.label} and {b.label} are of different architectures: {'; '.join(parts)}")
    return problems


def _missing(names: Mapping[str, Stored], there: Mapping[str, Stored]) -> list[str]:
    return sorted(
        name
        for name in names.keys() - there.keys()
        if part_of(name) in MUST_AGREE and not OPTIONAL.fullmatch(name)
    )


def _merged(tensors: Mapping[str, Stored]) -> dict[str, Stored]:
    return {
        name: stored
        for name, stored in tensors.items()
        if part_of(name) in MERGED_PARTS and not is_buffer(name)
    }


def input_channels(tensors: Mapping[str, Stored]) -> int | None:
    """Of the U-Net; None without one: a transformer's are part of its first layer's shape."""
    first = tensors.get(FIRST_CONVOLUTION)
    return first.shape[1] if first else None


def _channels(a: NamedWeights, b: NamedWeights) -> list[str]:
    """Only A may be an inpainting or pix2pix model: the others lack its extra channels."""
    ours, theirs = input_channels(a.tensors), input_channels(b.tensors)
    if ours is None or theirs is None:
        return []
    if theirs <= ours and (theirs in (ours, 4)):
        return []
    return [
        f"{a.label} is {UNET_CHANNELS.get(ours, f'a model of {ours} input channels')}, {b.label} is"
        f" {UNET_CHANNELS.get(theirs, f'one of {theirs}')}: the one with more input channels must be A, the"
        " others ordinary checkpoints or of the same kind"
    ]


def alike(ours: Stored, theirs: Stored | None) -> bool:
    """Whether both have the same shape, apart from 1x1 kernels' axes."""
    return theirs is not None and _squeezed(ours.shape) == _squeezed(theirs.shape)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-2] if shape[-2:] == (1, 1) else shape
