"""Embedding files (textual inversion): reads every common layout, writes two.

| layout | holds |
|---|---|
| sd-scripts' .safetensors (written) | `emb_params` [n, width] |
| several words in one .safetensors (written) | each word's [n, width], keyed by the word |
| diffusers' learned_embeds.safetensors or .bin | {token: [width] or [n, width]} |
| OneTrainer's .safetensors | `emp_params` [n, width] |
| ComfyUI's and SD 3's, of one text encoder | `clip_l` [n, width] |
| AUTOMATIC1111's .pt (written), and the same in a .png | {string_to_param: {"*": [n, width]}, ...} |

Sources: kohya-ss/sd-scripts train_textual_inversion.py, huggingface/diffusers loaders/textual_inversion.py,
AUTOMATIC1111/stable-diffusion-webui modules/textual_inversion/textual_inversion.py.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.embedding_picture import read_picture
from pipeline.files.json_text import JsonError, parse_json
from pipeline.files.kinds import ENCODERS, WORDS_KEY
from pipeline.files.names import insist_on_plain_name
from pipeline.files.pickled import PICKLED, read_pickled, write_pickled
from pipeline.files.safetensors_file import read_safetensors, write_safetensors

EMB_PARAMS = "emb_params"
NAMELESS = {EMB_PARAMS, "emp_params", "*", *ENCODERS}
"""Keys that do not give the word; then the file's name is the word, as in A1111 and ComfyUI."""
PICTURE_SUFFIXES = (".png",)
"""Suffixes of pictures that may contain an embedding."""
SEVERAL = ("clip_l", "clip_g")
"""Keys of SDXL's files, in the order of its text encoders."""
OUTPUT_VECTORS = {"clip_l_out", "clip_g_out"}
"""OneTrainer's vectors behind the text encoders, which no other tool reads; they are ignored."""
A1111_TOKEN = 265
"""CLIP's `*`, the token that A1111's files claim to replace."""
Vectors = dict[str, Tensor]


def read_embeddings(path: Path) -> Vectors:
    """[num_vectors, width] in float32 by word. Raises UserError for a damaged or foreign file."""
    with reporting_damage(f"{path} is not a readable embedding"):
        return _embeddings(path)


def _embeddings(path: Path) -> Vectors:
    tensors, words = _read(path)
    if len(ENCODERS & tensors.keys()) > 1:
        return {_word(SEVERAL[0], words, path): _joined(tensors, path)}
    if len(tensors) != 1 and len(words) != len(tensors):
        raise UserError(
            f"{path} holds {len(tensors)} tensors ({', '.join(sorted(tensors)[:3])} ...); an embedding file"
            " has one, or one per word: this is not an embedding, or one of another family"
        )
    return {
        _word(key, words, path): _as_rows(key, tensor, path)
        for key, tensor in ((key, tensors[key]) for key in (words if len(tensors) > 1 else tensors))
    }


def _joined(tensors: Mapping[str, Tensor], path: Path) -> Tensor:
    """The vectors for several text encoders, side by side in the order of SEVERAL."""
    if unknown := sorted(tensors.keys() - set(SEVERAL) - OUTPUT_VECTORS):
        why = "for SD 3's T5, which no embedding changes here" if "t5xxl" in unknown else "of another family"
        raise UserError(
            f"{path} holds {', '.join(unknown[:3])} next to vectors for text encoders: {why}; use one that"
            f" holds {' and '.join(SEVERAL)} alone and was trained on this base"
        )
    rows = [_as_rows(key, tensors[key], path) for key in SEVERAL if key in tensors]
    if len({len(each) for each in rows}) > 1:
        counts = " and ".join(str(len(each)) for each in rows)
        raise UserError(f"{path}: {counts} vectors for its text encoders, which need the same number")
    return torch.cat(rows, dim=1)


def _read(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors by key, and the words in the header."""
    if path.suffix in PICKLED:
        return _nested(path, read_pickled(path)), []
    if path.suffix in PICTURE_SUFFIXES:
        return _nested(path, read_picture(path)), []
    return _read_safetensors(path)


def _word(key: str, words: Sequence[str], path: Path) -> str:
    if len(words) == 1:
        return words[0]
    return path.stem if key in NAMELESS else key


def _as_rows(key: str, tensor: Tensor, path: Path) -> Tensor:
    rows = tensor[None] if tensor.dim() == 1 else tensor
    if rows.dim() != 2 or not rows.numel() or not rows.is_floating_point():
        raise UserError(
            f"{path}: {key} is {tensor.dtype} of shape {tuple(tensor.shape)};"
            " an embedding holds floats, [vectors, width]"
        )
    if not rows.isfinite().all():
        raise UserError(f"{path}: {key} holds NaN or infinity; the training blew up: use an earlier file")
    return rows.detach().float().clone()


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    tensors, metadata = read_safetensors(path)
    try:
        words = parse_json(metadata.get(WORDS_KEY, "[]"))
    except JsonError as error:
        raise UserError(
            f"{path}: {WORDS_KEY} in its header is not JSON ({error}); fetch the file again"
        ) from error
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise UserError(f"{path}: {WORDS_KEY} in its header must be a list of words; fetch the file again")
    several = len(ENCODERS & tensors.keys()) > 1
    if len(tensors) > 1 and not several and (absent := [word for word in words if word not in tensors]):
        raise UserError(
            f"{path}: its header names {absent[0][:60]!r}, but it has no such tensor; fetch it again"
        )
    return tensors, words


def _nested(path: Path, read: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Tensors of A1111's nested mapping, or of a plain {key: tensor}."""
    tensors = read.get("string_to_param", read)
    if isinstance(tensors, nn.ParameterDict):  # in the oldest files; every version has `_parameters`
        tensors = tensors._parameters
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise UserError(
            f"{path} is not an embedding: it has no `string_to_param`, nor only tensors"
            f" ({', '.join(map(str, list(read)[:3]))} ...)"
        )
    return {str(key): value for key, value in tensors.items()}


def embedding_tensors(vectors: Mapping[str, Tensor], widths: Sequence[int] = ()) -> dict[str, Tensor]:
    """Tensors of the .safetensors. One word: sd-scripts' layout, which A1111, ComfyUI and diffusers open.
    Several words: one tensor per word, which they do not open; `write_each` makes files for them. `widths`:
    of each text encoder's share of a vector, if there are several encoders.
    """
    if len(vectors) == 1 and len(widths) > 1:
        parts = next(iter(vectors.values())).split(list(widths), dim=1)
        return {key: part.contiguous() for key, part in zip(SEVERAL, parts, strict=True)}
    return {EMB_PARAMS: next(iter(vectors.values()))} if len(vectors) == 1 else dict(vectors)


def embedding_metadata(words: Sequence[str], architecture: str = "stable-diffusion-v1") -> dict[str, str]:
    """Header entries; Stability's architecture and implementation for embeddings as sd-scripts writes them
    (library/sai_model_spec.py).
    """
    return {
        WORDS_KEY: json.dumps(list(words), ensure_ascii=False),
        "modelspec.architecture": f"{architecture}/textual-inversion",
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.trigger_phrase": ", ".join(words),
    }


def write_each(
    folder: Path,
    vectors: Mapping[str, Tensor],
    architecture: str = "stable-diffusion-v1",
    widths: Sequence[int] = (),
) -> None:
    """Writes one `<word>.safetensors` per word, for A1111, ComfyUI and diffusers. The words may be from a
    stranger's file: one that is not a valid file name is a user error.
    """
    for word in vectors:
        insist_on_plain_name(word, "the embedding's word")
    for word, tensor in vectors.items():
        write_safetensors(
            folder / f"{word}.safetensors",
            embedding_tensors({word: tensor}, widths),
            embedding_metadata([word], architecture),
        )


def write_a1111(path: Path, word: str, tensor: Tensor, facts: Mapping[str, Any]) -> None:
    """Writes one word's .pt as A1111 does; `facts` may give step, sd_checkpoint and sd_checkpoint_name."""
    named = {key: facts.get(key) for key in ("step", "sd_checkpoint", "sd_checkpoint_name")}
    nest = {"string_to_token": {"*": A1111_TOKEN}, "string_to_param": {"*": tensor.float()}, "name": word}
    write_pickled(path, nest | named)
