"""Which part of a checkpoint a tensor belongs to, and which modules change it, by its name in a single
file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.bases import unet_names, vae_names
from pipeline.bases.family import Family
from pipeline.bases.parts import UNET
from pipeline.bases.registry import families, family
from pipeline.bases.structure import EMA_PREFIX

PART_OF_PREFIX = {
    unet_names.LDM_UNET_PREFIX: "unet",
    vae_names.LDM_VAE_PREFIX: "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.": "text_encoder",
    "text_encoders.": "text_encoder",
    EMA_PREFIX: "ema",
    "optimizer": "optimizer",
    "lr_scheduler": "optimizer",
}


FINAL_NORM = f"{unet_names.LDM_UNET_PREFIX}final_layer.adaLN_modulation.1"
"""Of a transformer: diffusers has its halves the other way round."""
TEXT_NORM = ".context_block.adaLN_modulation.1."
"""Of a transformer's block."""
BUFFERS = (".position_ids", ".attn_mask")
"""Ends of names. The mask is -infinity above its diagonal."""


@dataclass(frozen=True)
class TensorPiece:
    """A module, by its name in network files, that changes piece `index` of `of` of a tensor."""

    module: str
    index: int = 0
    of: int = 1
    is_swapped: bool = False
    """Whether the module has the two halves of the tensor's rows the other way round."""


def has_exchanged_halves(piece: TensorPiece, name: str, shape: Sequence[int]) -> bool:
    """Whether the module has the halves of this weight's rows the other way round: of a transformer's final
    norm, and of the text's norm in the last block, which alone has two outputs for each input.
    """
    is_last_text_norm = TEXT_NORM in name and len(shape) > 1 and shape[0] == 2 * shape[1]
    return piece.is_swapped or is_last_text_norm


def part_of(name: str) -> str:
    """unet, text_encoder, vae, ema, optimizer; `other` for the noise schedule's tensors and the like."""
    return next((part for prefix, part in PART_OF_PREFIX.items() if name.startswith(prefix)), "other")


def is_buffer(name: str) -> bool:
    """Whether it is a constant of a text encoder in some files: no weight, never blended or rounded."""
    return name.endswith(BUFFERS)


def usual_key(name: str) -> str:
    """A tensor's name without old aliases: some files lack the level `text_model.`."""
    return next((usual for made in _families() if (usual := made.usual_key(name)) != name), name)


def modules_of(name: str) -> list[TensorPiece]:
    """Modules that may change this tensor. A denoiser's tensor has two names, first the one after the single
    file's layout, which SDXL's networks use.
    """
    if not name.endswith(("weight", "bias")):
        return []
    for made in _families():
        held = made.held(name)
        if held and held[0][0] == UNET.name:
            prefix = str(made.denoiser.layer_prefix)
            own = name.removeprefix(made.denoiser.file_prefix)
            return [TensorPiece(prefix + _flat(path)) for path in (own, held[0][1].name)]
        if held:
            return [
                TensorPiece(
                    f"{made.part(part).layer_prefix}{_flat(each.name)}",
                    each.piece,
                    each.pieces,
                    name.startswith(FINAL_NORM),
                )
                for part, each in held
            ]
    return []


def _families() -> Iterator[Family]:
    return map(family, families())


def _flat(path: str) -> str:
    return path.removesuffix(".weight").removesuffix(".bias").replace(".", "_")
