"""Reads a part's weights from a single file into its module."""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import T5EncoderModel

from pipeline.bases.base import Base
from pipeline.bases.origins import Origin, file_shape, get
from pipeline.bases.single_file import as_there, file_of_part, open_base, say_averaged, why_absent
from pipeline.bases.structure import TensorShapes
from pipeline.bases.vae_names import whole_checkpoint_name
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage


def origins_there(base: Base, part: str, path: Path, shapes: TensorShapes) -> dict[str, Origin]:
    """The place of each of a part's tensors in the file. Raises UserError for missing tensors and wrong
    shapes.
    """
    own = base.family.part(part)
    state = base.part(part).state_dict().items()
    tensors = {key: tuple(tensor.shape) for key, tensor in state if key not in own.tied}
    origins = base.family.origins(part, tensors, base.configs)
    origins = as_there(own, origins, shapes)
    if part == "vae" and not any(origin.key in shapes for origin in origins.values()):
        bare_names = {whole_checkpoint_name(name): name for name in shapes}
        origins = {key: each.at(bare_names.get(each.key, each.key)) for key, each in origins.items()}
    say_averaged(path, (origin.key for origin in origins.values()))
    title = base.family.facts.title
    absent = sorted({origin.key for origin in origins.values()} - shapes.keys())
    if absent and (reason := why_absent(own, shapes, base.family.facts)):
        raise UserError(f"{path} {reason}")
    if absent:
        file = file_of_part(path, own)
        kind = f"a whole {title} checkpoint" if file == path else f"{title}'s {own.title}"
        raise UserError(
            f"{file}: {len(absent)} weights of the {own.title} are missing"
            f" ({', '.join(absent[:3])} ...); it is not {kind}"
        )
    for key, origin in origins.items():
        if _long_axes(shapes[origin.key]) != _long_axes(file_shape(origin, tensors[key])):
            raise UserError(
                f"{file_of_part(path, own)}: {origin.key} has the shape {shapes[origin.key]}, {title} has"
                f" {file_shape(origin, tensors[key])}; choose another one"
            )
    return origins


def _long_axes(shape: tuple[int, ...]) -> list[int]:
    """Without axes of length 1, which a linear layer lacks that other tools have as a 1x1 convolution."""
    return [length for length in shape if length != 1]


def filled(
    module: nn.Module, path: Path, origins: dict[str, Origin], dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The module, from the meta device, with the file's weights as `dtype`."""
    shapes = {key: tensor.shape for key, tensor in module.state_dict().items()}
    with reporting_damage(f"{path} is not a readable checkpoint"):
        tensors = open_base(path).tensors
        weights: dict[str, Tensor] = {}
        for key, origin in origins.items():
            stored = tensors[origin.key]
            own = get(origin, stored.read().to(dtype).reshape(stored.shape), shapes[key])
            weights[key] = own if origin.pieces == 1 else own.clone()
    module.load_state_dict(weights, strict=False, assign=True)
    if isinstance(module, T5EncoderModel):
        module.tie_weights()
    _restore_position_ids(module)
    return module


def _restore_position_ids(module: nn.Module) -> None:
    """Fills buffers that files need not hold: 0..76."""
    for submodule in module.modules():
        if "position_ids" in submodule._buffers:
            ids = submodule._buffers["position_ids"]
            assert ids is not None
            submodule.register_buffer(
                "position_ids", torch.arange(ids.shape[-1]).expand(1, -1), persistent=False
            )
