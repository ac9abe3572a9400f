"""The demo base's own small CLIP tokenizer: 256 byte symbols, the same ending a word, a few merges, two
special tokens.
"""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

from demo.critters import all_tags
from pipeline.bases.clip_vocabulary import byte_symbols

SPECIAL = ("<|startoftext|>", "<|endoftext|>")


def learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair encoding (Sennrich et al. 2016) until each word is one token; ties go to the alphabet."""
    split = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges: list[tuple[str, str]] = []
    while any(len(word) > 1 for word in split):
        pairs = Counter(pair for word in split for pair in pairwise(word))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        split = [_merge(word, best) for word in split]
    return merges


def _merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for symbol in word:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return merged


def words() -> list[str]:
    """Words that the demo's captions use; the character's name is not among them: it stays a rare string of
    letters.
    """
    tags = {word for tag in all_tags() for word in tag.replace("-", " - ").split()}
    return sorted(tags | {"a", "an", "of", "the", "with", "in", "and", "drawing"})


def write_tokenizer(folder: Path) -> CLIPTokenizer:
    """vocab.json and merges.txt (what every version of transformers reads), then tokenizer.json and its
    config.
    """
    folder.mkdir(parents=True, exist_ok=True)
    merges = learn_merges(words())
    symbols = byte_symbols()
    tokens = [*symbols, *(s + "</w>" for s in symbols), *("".join(pair) for pair in merges), *SPECIAL]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    vocab_text = json.dumps(vocabulary, ensure_ascii=False, indent=0)
    merges_text = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in merges), ""])
    (folder / "vocab.json").write_text(vocab_text, encoding="utf-8")
    (folder / "merges.txt").write_text(merges_text, encoding="utf-8")
    tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=77)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.json").write_text(vocab_text, encoding="utf-8")
    (folder / "merges.txt").write_text(merges_text, encoding="utf-8")
    return tokenizer
