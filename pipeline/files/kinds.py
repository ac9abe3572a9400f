"""What kind of network a file holds, by its keys and header alone. No torch here."""

from collections.abc import Collection, Container, Mapping
from typing import Any

AESTHETIC_KEY = "aesthetic"
HYPERNETWORK_KEY = "athanor.hypernetwork"
WORDS_KEY = "athanor.words"
ENCODERS = {"clip_l", "clip_g", "clip_h", "t5xxl"}
"""Keys of embeddings for several text encoders, or for one alone: SD 1.x's is clip_l, SD 2.x's clip_h."""


def is_aesthetic(keys: Container[str]) -> bool:
    """Whether a .safetensors file of these keys holds an aesthetic embedding."""
    return AESTHETIC_KEY in keys


def is_hypernetwork(keys: Collection[Any], metadata: Mapping[str, str]) -> bool:
    """A .pt file has widths as keys, a .safetensors file an entry in its header."""
    return HYPERNETWORK_KEY in metadata or any(isinstance(key, int) for key in keys)


def is_embedding(tensors: Collection[str], metadata: Mapping[str, str]) -> bool:
    """Of a .safetensors file; SDXL's embeddings count too."""
    if WORDS_KEY in metadata or len(ENCODERS & set(tensors)) > 1:
        return True
    return len(tensors) == 1 and "." not in next(iter(tensors))
