"""Files with the names and shapes of published bases, without numbers: a hole in the file."""

import gzip
import json
import struct
from collections.abc import Mapping
from functools import cache
from math import prod
from pathlib import Path

from pipeline.bases.origins import file_shape
from pipeline.bases.registry import family

Shapes = dict[str, tuple[int, ...]]
TOWER = {
    "ln_1.weight": (1,), "ln_1.bias": (1,), "ln_2.weight": (1,), "ln_2.bias": (1,),
    "attn.in_proj_weight": (3, 1), "attn.in_proj_bias": (3,), "attn.out_proj.weight": (1, 1),
    "attn.out_proj.bias": (1,), "mlp.c_fc.weight": (4, 1), "mlp.c_fc.bias": (4,), "mlp.c_proj.weight": (1, 4),
    "mlp.c_proj.bias": (1,),
}  # fmt: skip
"""Tensors of a layer of open_clip's text tower, in widths."""
DIFFUSERS: dict[str, dict[str, list[int]]] = json.loads(
    gzip.decompress((Path(__file__).parent / "shapes.json.gz").read_bytes())
)
"""Names and shapes of published denoisers in diffusers' layout."""


def open_clip(prefix: str, layers: int, width: int) -> Shapes:
    """Names as open_clip has them (mlfoundations/open_clip, src/open_clip/transformer.py)."""
    own: Shapes = {
        "positional_embedding": (77, width), "token_embedding.weight": (49408, width), "logit_scale": (),
        "text_projection": (width, width), "ln_final.weight": (width,), "ln_final.bias": (width,),
    }  # fmt: skip
    for layer in range(layers):
        for name, widths in TOWER.items():
            shape = tuple(each * width for each in widths) if len(widths) == 1 else (
                widths[0] * width, widths[1] * width
            )  # fmt: skip
            own[f"transformer.resblocks.{layer}.{name}"] = shape
    return {prefix + name: shape for name, shape in own.items()}


@cache
def whole_base(name: str) -> Shapes:
    """Every tensor of the published single file: U-Net, VAE, text encoders, with what no part uses."""
    shapes = part_shapes(name, "unet") | part_shapes(name, "vae")
    if name == "sd2":
        return shapes | open_clip("cond_stage_model.model.", 24, 1024)
    first = part_shapes(name, "text_encoder")
    prefix = family(name).part("text_encoder").file_prefix
    shapes |= first | {f"{prefix}text_model.embeddings.position_ids": (1, 77)}
    return shapes | (open_clip("conditioner.embedders.1.model.", 32, 1280) if name == "sdxl" else {})


@cache
def part_shapes(name: str, part: str) -> Shapes:
    """A part's tensors by their names in the single file."""
    made = family(name)
    tensors = made.part(part).outline(dict(made.configs[part])).state_dict()
    origins = made.origins(part, tensors, made.configs)
    return {origin.key: file_shape(origin, tuple(tensors[key].shape)) for key, origin in origins.items()}


def hollow(path: Path, shapes: Mapping[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> Path:
    """A .safetensors file of 16 bits that takes no room: all numbers are 0."""
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    start = 0
    for name, shape in sorted(shapes.items()):
        stop = start + 2 * prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + start)
    return path
