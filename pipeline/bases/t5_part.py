"""T5, version 1.1: the third text encoder of SD 3. Its names in single files are transformers' own."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from pipeline.bases.origins import Origin
from pipeline.bases.parts import Part
from pipeline.bases.structure import TensorShapes

TABLE, SECOND_TABLE = "shared.weight", "encoder.embed_tokens.weight"
"""One table under two names; files have the first."""
T5_BLOCK = "encoder.block."
T5_BLOCK_NUMBER = re.compile(r"encoder\.block\.([0-9]{1,3})\.")
FIRST_ATTENTION = f"{T5_BLOCK}0.layer.0.SelfAttention."


def t5_part(name: str, title: str, file_prefix: str) -> Part:
    """An encoder that no network changes."""
    return Part(
        name=name, title=title, library="transformers", class_name="T5EncoderModel", file_prefix=file_prefix,
        is_optional=True, tied=(SECOND_TABLE,),
    )  # fmt: skip


def t5_origin(part: Part, name: str) -> Origin:
    """The place of a weight in a single file."""
    return Origin(part.file_prefix + (TABLE if name == SECOND_TABLE else name))


def t5_config(published: Mapping[str, Any], shapes: TensorShapes, prefix: str) -> dict[str, Any] | None:
    """The configuration of the T5 in a file with these shapes, unchecked; None if it has none. The published
    numbers hold for tensors that are absent or are no matrices, which their reader reports.
    """
    own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    if not own:
        return None
    heads = _side(own, f"{FIRST_ATTENTION}relative_attention_bias.weight", 1)
    queries = _side(own, f"{FIRST_ATTENTION}q.weight", 0)
    found = {
        "vocab_size": _side(own, TABLE, 0),
        "d_model": _side(own, TABLE, 1),
        "num_heads": heads,
        "d_kv": queries // max(heads or published["num_heads"], 1) if queries is not None else None,
        "d_ff": _side(own, f"{T5_BLOCK}0.layer.1.DenseReluDense.wi_0.weight", 0),
    }
    numbers = {int(match[1]) for name in own if (match := T5_BLOCK_NUMBER.match(name))}
    return {
        **published,
        **{name: value for name, value in found.items() if value is not None},
        "num_layers": 1 + max(numbers, default=0),
    }


def _side(shapes: TensorShapes, name: str, axis: int) -> int | None:
    """Of a matrix; None for one that is not there."""
    shape = shapes.get(name, ())
    return shape[axis] if len(shape) == 2 else None


def t5_dtype(dtype: torch.dtype) -> torch.dtype:
    """bf16 in place of fp16, in which T5 overflows: transformers keeps its `wo` in fp32."""
    return torch.bfloat16 if dtype == torch.float16 else dtype


def t5_products(device: torch.device) -> AbstractContextManager[Any]:
    """Inside, products that would be in fp16 are in bf16."""
    kind = device.type
    if torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16:
        return torch.autocast(kind, torch.bfloat16)
    return nullcontext()
