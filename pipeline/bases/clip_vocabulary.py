"""The vocabulary of OpenAI's CLIP, which the tokenizers of all families share, and its files."""

import gzip
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any


def clip_merges() -> str:
    """OpenAI's published merges.txt."""
    return gzip.decompress((files("pipeline.bases") / "clip_merges.txt.gz").read_bytes()).decode()


def clip_vocabulary(merges: str) -> dict[str, int]:
    """{token: id} of CLIP's tokenizer, derived from the merges."""
    symbols = byte_symbols()
    tokens = [
        *symbols,
        *(s + "</w>" for s in symbols),
        *(pair.replace(" ", "") for pair in merges.split("\n")[1:-1]),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    return {token: index for index, token in enumerate(tokens)}


def write_clip_tokenizer(folder: Path) -> None:
    """Writes CLIP's vocab.json and merges.txt."""
    merges = clip_merges()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "merges.txt").write_text(merges, encoding="utf-8")
    vocabulary = json.dumps(clip_vocabulary(merges), ensure_ascii=False)
    (folder / "vocab.json").write_text(vocabulary, encoding="utf-8")


def older_tokenizer_files(tokenizer: Mapping[str, Any]) -> dict[str, str]:
    """vocab.json and merges.txt from the content of a tokenizer.json, which holds the same."""
    model = tokenizer["model"]
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    return {
        "vocab.json": json.dumps(model["vocab"], ensure_ascii=False),
        "merges.txt": "\n".join(["#version: 0.2", *merges, ""]),
    }


def byte_symbols() -> list[str]:
    """The 256 symbols for bytes in CLIP's vocabulary: printable bytes as themselves, the others from U+0100
    on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
