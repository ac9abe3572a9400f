"""From captions to token ids.

An attached embedding's word (pipeline/bases/new_tokens.py) becomes its ids, one per vector, where it is a
separate word; case is ignored, as in CLIP. Torch is loaded only to make tensors.
"""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import CLIPTokenizer

MAX_TOKENS = 77
CHUNK_TOKENS = MAX_TOKENS - 2
"""Tokens of a caption that the text encoder reads at a time, between start and end."""
Words = Mapping[str, range]
"""Ids beyond the vocabulary, by the lower-case words that they replace."""
NO_WORDS: Words = MappingProxyType({})


def token_ids(
    tokenizer: "CLIPTokenizer", captions: list[str], words: Words = NO_WORDS, max_tokens: int = CHUNK_TOKENS
) -> "Tensor":
    """[captions, 77] ids, cut and padded as in SD 1.x's training; with `max_tokens` 150 or 225 [captions, 2
    or 3, 77], each 75 framed by start and end (kohya-ss/sd-scripts library/train_util.py, get_input_ids).
    """
    if max_tokens > CHUNK_TOKENS or words:
        bodies = [body_ids(tokenizer, text, words) for text in captions]
        return ids_of_bodies(tokenizer, bodies, max_tokens)
    ids: Tensor = tokenizer(
        captions, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    ).input_ids
    return ids


def ids_of_bodies(
    tokenizer: "CLIPTokenizer", bodies: list[list[int]], max_tokens: int = CHUNK_TOKENS
) -> "Tensor":
    """Like `token_ids`, from ids without start and end."""
    import torch

    if max_tokens > CHUNK_TOKENS:
        starts = range(0, max_tokens, CHUNK_TOKENS)
        return torch.tensor([[_framed(tokenizer, body[start:]) for start in starts] for body in bodies])
    return torch.tensor([_framed(tokenizer, body) for body in bodies])


def too_long(
    tokenizer: "CLIPTokenizer", captions: list[str], words: Words = NO_WORDS, max_tokens: int = CHUNK_TOKENS
) -> list[str]:
    """Captions that are cut off."""
    return [text for text in captions if len(body_ids(tokenizer, text, words)) > max_tokens]


def body_ids(tokenizer: "CLIPTokenizer", caption: str, words: Words = NO_WORDS) -> list[int]:
    """All ids of the caption, without start and end, uncut."""
    pieces = _splitter(words).split(caption) if words else [caption]
    return [
        token
        for place, piece in enumerate(pieces)
        # Odd pieces are the words that split the text.
        for token in (words[piece.lower()] if place % 2 else _text_ids(tokenizer, piece))
    ]


def words_in(text: str, words: Collection[str]) -> list[str]:
    """The lower-case `words` that occur in the text, each once."""
    return list(dict.fromkeys(map(str.lower, _splitter(words).findall(text)))) if words else []


def _text_ids(tokenizer: "CLIPTokenizer", text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids
    return ids


def _splitter(words: Collection[str]) -> re.Pattern[str]:
    """Finds the words, the longest first; `zib` is found neither in `zibbo` nor in `zib_style`."""
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile(rf"({'|'.join(map(_whole, longest_first))})", re.IGNORECASE)


def _whole(word: str) -> str:
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    after = r"(?!\w)" if re.search(r"\w$", word) else ""
    return before + re.escape(word) + after


def _framed(tokenizer: "CLIPTokenizer", body: list[int]) -> list[int]:
    """77 ids: start, at most 75 of the body, end, padding."""
    ids = [tokenizer.bos_token_id, *body[:CHUNK_TOKENS], tokenizer.eos_token_id]
    return ids + [tokenizer.pad_token_id] * (MAX_TOKENS - len(ids))
