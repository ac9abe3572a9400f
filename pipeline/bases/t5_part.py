"""T5, version 1.1: the third text encoder of SD 3. Its names in single files are transformers' own."""

from collections.abc import Mapping
from typing import Any

from pipeline.bases.origins import Origin
from pipeline.bases.parts import Part
from pipeline.bases.structure import TensorShapes

TABLE, SECOND_TABLE = "shared.weight", "encoder.embed_tokens.weight"
"""One table under two names; files have the first."""
T5_BLOCK = "encoder.block."
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
    """The configuration of the T5 in a file with these shapes; None if it has none."""
    own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    if not own:
        return None
    rows, width = _axes(own, TABLE)
    heads = _axes(own, f"{FIRST_ATTENTION}relative_attention_bias.weight")[1]
    numbers = {int(number) for name in own if (number := _block(name)).isdecimal()}
    return {
        **published,
        "vocab_size": rows,
        "d_model": width,
        "num_heads": heads,
        "d_kv": _axes(own, f"{FIRST_ATTENTION}q.weight")[0] // max(heads, 1),
        "d_ff": _axes(own, f"{T5_BLOCK}0.layer.1.DenseReluDense.wi_0.weight")[0],
        "num_layers": 1 + max(numbers, default=0),
    }


def _block(name: str) -> str:
    return name.removeprefix(T5_BLOCK).partition(".")[0] if name.startswith(T5_BLOCK) else ""


def _axes(shapes: TensorShapes, name: str) -> tuple[int, int]:
    """Shape of a matrix; ones for one that is not there: its reader then reports it."""
    shape = shapes.get(name, ())
    return (shape[0], shape[1]) if len(shape) == 2 else (1, 1)
