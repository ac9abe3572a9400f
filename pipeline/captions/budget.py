"""Counts a caption's CLIP tokens with the SD 1.x tokenizer that ships with the project.

A base with its own tokenizer (such as the demo's) gives other counts.
"""

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from pipeline.bases.clip_vocabulary import clip_merges, clip_vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END_OF_TEXT = "<|endoftext|>"
WORDS = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
"""openai/CLIP clip/simple_tokenizer.py; without special tokens, which no caption contains."""

BETWEEN_TAGS = re.compile("(?<=[A-Za-z0-9]), (?=[A-Za-z0-9])")


@cache
def clip_tokenizer() -> "Tokenizer":
    """CLIP's byte-pair encoding, without the tokens that begin and end a prompt."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    merges = clip_merges()
    pairs = [(left, right) for left, _, right in (line.partition(" ") for line in merges.split("\n")[1:-1])]
    tokenizer = Tokenizer(
        models.BPE(
            vocab=clip_vocabulary(merges), merges=pairs, unk_token=END_OF_TEXT,
            continuing_subword_prefix="", end_of_word_suffix="</w>",
        )
    )  # fmt: skip
    clean = [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    tokenizer.normalizer = normalizers.Sequence(clean)
    words = pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


def num_tokens(text: str) -> int:
    """Tokens of `text`; a window of the text encoder holds 75. Commas between letters or digits are tokens of
    their own, so that each tag is counted once for all captions.
    """
    pieces = BETWEEN_TAGS.split(text)
    return sum(map(_counted, pieces)) + len(pieces) - 1


@lru_cache(maxsize=20_000)
def _counted(text: str) -> int:
    return len(clip_tokenizer().encode(text, add_special_tokens=False).ids)


def within(text: str, most: int | None) -> bool:
    """Whether `text` has at most `most` tokens."""
    return most is None or num_tokens(text) <= most
