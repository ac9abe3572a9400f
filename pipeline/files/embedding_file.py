"""Files of embeddings (textual inversion): every layout in use is read, two are written.

| layout | holds |
|---|---|
| sd-scripts' .safetensors (written) | `emb_params` [n, width] |
| several words in one .safetensors (written) | each word's [n, width] under the word |
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

from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.files.damage import damage_told
from pipeline.files.embedding_picture import read_picture
from pipeline.files.json_text import JsonError, parse_json
from pipeline.files.kinds import ENCODERS, WORDS_KEY
from pipeline.files.names import insist_on_plain_name
from pipeline.files.pickled import PICKLED, read_pickled, write_pickled
from pipeline.files.safetensors_file import read_safetensors, write_safetensors

PARAMS = "emb_params"
NAMELESS = {PARAMS, "emp_params", "*", *ENCODERS}
"""Keys that say nothing of the word; it is then the file's name, as in A1111 and ComfyUI."""
PICTURES = (".png",)
"""Suffixes of pictures that may hold one."""
A1111_TOKEN = 265
"""CLIP's `*`, of which A1111's files say that they take its place."""
Vectors = dict[str, Tensor]


def read_embeddings(path: Path) -> Vectors:
    """[num_vectors, width] in float32 by word. Raises UserError for a damaged or foreign file."""
    with damage_told(f"{path} is no readable embedding"):
        return _embeddings(path)


def _embeddings(path: Path) -> Vectors:
    tensors, words = _read(path)
    if len(several := ENCODERS & tensors.keys()) > 1:
        family = "an SD 3" if "t5xxl" in several else "an SDXL"
        raise UserError(
            f"{path} is {family} embedding ({' and '.join(sorted(several, reverse=True))}, for its text"
            " encoders); SD 1.x has one: use an embedding that was trained on SD 1.x"
        )
    if len(tensors) != 1 and len(words) != len(tensors):
        raise UserError(
            f"{path} holds {len(tensors)} tensors ({', '.join(sorted(tensors)[:3])} ...); an embedding file"
            " holds one, or one a word: it is no embedding, or one of another family"
        )
    return {
        _word(key, words, path): _as_rows(key, tensor, path)
        for key, tensor in ((key, tensors[key]) for key in (words if len(tensors) > 1 else tensors))
    }


def _read(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors by their keys, and the words that the header names."""
    if path.suffix in PICKLED:
        return _nested(path, read_pickled(path)), []
    if path.suffix in PICTURES:
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
        raise UserError(f"{path}: {WORDS_KEY} in its header is no JSON ({error})") from error
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise UserError(f"{path}: {WORDS_KEY} in its header must be a list of words; fetch the file again")
    if len(tensors) > 1 and (absent := [word for word in words if word not in tensors]):
        raise UserError(f"{path}: its header names {absent[0][:60]!r}, which is not in it; fetch it again")
    return tensors, words


def _nested(path: Path, read: Mapping[Any, Any]) -> dict[str, Tensor]:
    """Of A1111's nest, or a bare {key: tensor}."""
    found = read.get("string_to_param", read)
    if isinstance(found, nn.ParameterDict):  # the first files of all; `_parameters` is there in every version
        found = found._parameters
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise UserError(
            f"{path} is no embedding: it has no `string_to_param`, nor tensors alone"
            f" ({', '.join(map(str, list(read)[:3]))} ...)"
        )
    return {str(key): value for key, value in found.items()}


def embedding_tensors(vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the .safetensors holds. One word: sd-scripts' layout, which A1111, ComfyUI and diffusers open;
    several: one tensor a word, which they do not: `write_each` makes files that they do.
    """
    return {PARAMS: next(iter(vectors.values()))} if len(vectors) == 1 else dict(vectors)


def embedding_metadata(words: Sequence[str]) -> dict[str, str]:
    """Header entries; Stability's architecture and implementation for embeddings as sd-scripts writes them
    (library/sai_model_spec.py).
    """
    return {
        WORDS_KEY: json.dumps(list(words), ensure_ascii=False),
        "modelspec.architecture": "stable-diffusion-v1/textual-inversion",
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.trigger_phrase": ", ".join(words),
    }


def write_each(folder: Path, vectors: Mapping[str, Tensor]) -> None:
    """One `<word>.safetensors` a word, as A1111, ComfyUI and diffusers open it. The words come from a
    stranger's file: one that would lead out of the folder, or is no file's name, is a user error.
    """
    for word in vectors:
        insist_on_plain_name(word, "the embedding's word")
    for word, tensor in vectors.items():
        write_safetensors(
            folder / f"{word}.safetensors", embedding_tensors({word: tensor}), embedding_metadata([word])
        )


def write_a1111(path: Path, word: str, tensor: Tensor, facts: Mapping[str, Any]) -> None:
    """One word's .pt as A1111 writes it; `facts` may give step, sd_checkpoint and sd_checkpoint_name."""
    named = {key: facts.get(key) for key in ("step", "sd_checkpoint", "sd_checkpoint_name")}
    nest = {"string_to_token": {"*": A1111_TOKEN}, "string_to_param": {"*": tensor.float()}, "name": word}
    write_pickled(path, nest | named)
