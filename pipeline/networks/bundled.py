"""Embeddings in a LoRA's file: `bundle_emb.<word>.<key of an embedding's file>` (AUTOMATIC1111
extensions-builtin/Lora/networks.py; Nerogar/OneTrainer). They act if their own files are called.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.files.embedding_file import SEVERAL

BUNDLE_PREFIX = "bundle_emb."
OUTPUT_KEY_END = "_out"
"""End of OneTrainer's keys for embeddings after the text encoder, which no prompt calls."""


def words_of(keys: Iterable[str]) -> list[str]:
    """The words, each once, in order."""
    return sorted({_word(key) for key in keys if key.startswith(BUNDLE_PREFIX)} - {""})


def bundled(tensors: Mapping[str, Tensor], path: Path) -> tuple[dict[str, Tensor], list[int]]:
    """[num_vectors, width] by word, and for SDXL the widths of its text encoders' shares. Raises UserError
    for embeddings of other families.
    """
    by_word: dict[str, dict[str, Tensor]] = {word: {} for word in words_of(tensors)}
    for key, tensor in tensors.items():
        if key.startswith(BUNDLE_PREFIX) and not key.endswith(OUTPUT_KEY_END) and _word(key):
            by_word[_word(key)][key.rpartition(".")[2]] = tensor.float()
    vectors, widths = {}, list[int]()
    for word, own in by_word.items():
        shares = [own[key] for key in SEVERAL] if own.keys() == set(SEVERAL) else list(own.values())
        is_whole = len(own) == 1 or own.keys() == set(SEVERAL)
        if not is_whole or any(each.dim() != 2 or len(each) != len(shares[0]) for each in shares):
            raise UserError(
                f"{path}: its embedding {word} has the tensors {', '.join(sorted(own))}; SD 1.x's and 2.x's"
                f" have one, [vectors, width], and SDXL's {' and '.join(SEVERAL)}: it is for another family"
            )
        vectors[word] = torch.cat(shares, dim=1)
        widths = [each.shape[1] for each in shares] if len(shares) > 1 else []
    return vectors, widths


def _word(key: str) -> str:
    return key.removeprefix(BUNDLE_PREFIX).partition(".")[0] if key.count(".") > 1 else ""
