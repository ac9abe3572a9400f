"""T5's tokenizer, from a folder's or a header's tokenizer.json. The package has no vocabulary of T5: a base
brings its own, or `base.t5_tokenizer` names a folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.json_text import JsonError, parse_mapping
from pipeline.files.text_file import JSON, read_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

T5_VOCABULARY = "tokenizer.json"
MOST_VOCABULARY_CHARACTERS = 1 << 24
"""T5's has 2.4 million."""
T5_END, PADDING = "</s>", "<pad>"
USUAL_T5_TOKENS = 256
"""As diffusers and sd-scripts draw and train."""
T5_TOKENIZER_CLASS = "T5TokenizerFast"
T5_SETTINGS = {
    "tokenizer_class": T5_TOKENIZER_CLASS,
    "eos_token": T5_END,
    "pad_token": PADDING,
    "extra_ids": 0,
}
"""Content of tokenizer_config.json, for other tools."""


@dataclass(frozen=True)
class T5Tokenizer:
    """vocabulary: the text of tokenizer.json. length: how many tokens of a text T5 reads, its end among
    them.
    """

    vocabulary: str
    length: int = USUAL_T5_TOKENS

    def reading(self, length: int) -> "T5Tokenizer":
        """The same for texts of another length."""
        return replace(self, length=length)

    @cached_property
    def _made(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        made: Tokenizer = Tokenizer.from_str(self.vocabulary)
        made.no_padding()
        made.no_truncation()
        return made

    @property
    def largest_id(self) -> int:
        return max(self._made.get_vocab(with_added_tokens=True).values(), default=0)

    def is_complete(self) -> bool:
        """Whether it has the tokens for the end of a text and behind it."""
        return None not in (self._made.token_to_id(T5_END), self._made.token_to_id(PADDING))

    def ids(self, texts: Sequence[str]) -> "Tensor":
        """[texts, length]: tokens, the end, padding."""
        import torch

        end, padding = self._made.token_to_id(T5_END), self._made.token_to_id(PADDING)
        rows = []
        for text in texts:
            own = self._made.encode(text, add_special_tokens=False).ids[: self.length - 1]
            rows.append([*own, end, *[padding] * (self.length - 1 - len(own))])
        return torch.tensor(rows)


def t5_tokenizer_of(vocabulary: Any, rows: int, origin: str) -> T5Tokenizer:
    """From a stranger's text. `rows`: of T5's table. Raises UserError if it is damaged or of another T5."""
    what = f"{origin}: {T5_VOCABULARY} of T5's tokenizer"
    if not isinstance(vocabulary, str) or not 0 < len(vocabulary) <= MOST_VOCABULARY_CHARACTERS:
        raise UserError(
            f"{what} is not a text of at most {MOST_VOCABULARY_CHARACTERS} characters; fetch it again"
        )
    try:
        parse_mapping(vocabulary)
    except JsonError as error:
        raise UserError(f"{what} is not readable JSON ({error}); fetch it again") from None
    made = T5Tokenizer(vocabulary)
    with reporting_damage(f"{what} cannot be read", "fetch it again"):
        largest, is_complete = made.largest_id, made.is_complete()
    if largest >= rows or not is_complete:
        found = f"has the token {largest}" if is_complete else f"lacks {T5_END} or {PADDING}"
        raise UserError(f"{what} {found}, T5 has {rows} rows: they do not belong together; fetch it again")
    return made


def t5_tokenizer_in(folder: Path, rows: int, origin: str) -> T5Tokenizer:
    """From a folder like tokenizer_3 of a diffusers folder."""
    path = folder / T5_VOCABULARY
    if not path.is_file():
        raise UserError(
            f"{origin}: no {T5_VOCABULARY} in {folder}; it must be a folder like tokenizer_3 of a diffusers"
            " folder of Stable Diffusion 3"
        )
    with reporting_damage(f"{path} is not a readable tokenizer", "fetch it again"):
        text = read_text(path, JSON)
    return t5_tokenizer_of(text, rows, origin)
