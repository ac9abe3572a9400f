"""Embeddings in a LoRA's file: `bundle_emb.<word>.<key of an embedding's file>` (AUTOMATIC1111
extensions-builtin/Lora/networks.py; Nerogar/OneTrainer). They act if their own files are called.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from pipeline.errors import UserError

BUNDLE_PREFIX = "bundle_emb."
OUTPUT_KEY_END = "_out"
"""End of OneTrainer's keys for embeddings after the text encoder, which no prompt calls."""


def words_of(keys: Iterable[str]) -> list[str]:
    """The words, each once, in order."""
    return sorted({_word(key) for key in keys if key.startswith(BUNDLE_PREFIX)} - {""})


def bundled(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """[num_vectors, width] by word. Raises UserError for embeddings of several text encoders."""
    by_word: dict[str, list[Tensor]] = {word: [] for word in words_of(tensors)}
    for key, tensor in tensors.items():
        if key.startswith(BUNDLE_PREFIX) and not key.endswith(OUTPUT_KEY_END) and _word(key):
            by_word[_word(key)].append(tensor.float())
    for word, own in by_word.items():
        if len(own) != 1 or own[0].dim() != 2:
            raise UserError(
                f"{path}: its embedding {word} has {len(own)} tensors; SD 1.x's has one, [vectors, width]: it"
                " is for another family"
            )
    return {word: own[0] for word, own in by_word.items()}


def _word(key: str) -> str:
    return key.removeprefix(BUNDLE_PREFIX).partition(".")[0] if key.count(".") > 1 else ""
