"""CLIP's tokenizer, from a header's texts, a folder, or the package."""

import copy
import tempfile
from pathlib import Path
from typing import Any

from transformers import CLIPTokenizer

from pipeline.bases.clip_vocabulary import older_tokenizer_files, write_clip_tokenizer
from pipeline.bases.stated import tokenizer_texts
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage
from pipeline.files.json_text import read_mapping

CLIP_LENGTH = 77


def read_tokenizer(path: str, options: dict[str, Any], origin: str) -> CLIPTokenizer:
    """From a diffusers folder or a hub name."""
    cure = "correct base.path, or fetch it again"
    with reporting_damage(f"{origin}: its tokenizer does not load", cure):
        made: CLIPTokenizer = CLIPTokenizer.from_pretrained(path, subfolder="tokenizer", **options)
        if made.pad_token_id == made.eos_token_id:
            return made
        # A tokenizer that pads with "!" takes each "!" of a text for padding; families pad themselves.
        return make_tokenizer(tokenizer_files(made), origin)


def padded_with(tokenizer: CLIPTokenizer, padding: int | None) -> CLIPTokenizer:
    """A copy for other tools that pads with this id; None: unchanged."""
    if padding is None:
        return tokenizer
    made = copy.deepcopy(tokenizer)
    made.pad_token = made.convert_ids_to_tokens(padding)
    return made


def tokenizer_files(tokenizer: CLIPTokenizer) -> dict[str, str]:
    """vocab.json and merges.txt, from the tokenizer's own tokenizer.json."""
    with tempfile.TemporaryDirectory() as name:
        tokenizer.save_pretrained(name)
        return older_tokenizer_files(read_mapping(Path(name) / "tokenizer.json"))


def make_tokenizer(files: dict[str, str] | None, origin: str = "the base") -> CLIPTokenizer:
    """From the texts of vocab.json and merges.txt; None gives CLIP's own."""
    texts = {} if files is None else tokenizer_texts(files, origin)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if files is None:
            write_clip_tokenizer(folder)
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        with reporting_damage(f"{origin}: its tokenizer cannot be read"):
            made: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=CLIP_LENGTH)
            return made


def insist_on_known_tokens(tokenizer: CLIPTokenizer, rows: int, origin: str) -> None:
    """Rejects tokens beyond the text encoder's table, which would end in an index error in the middle of a
    run.
    """
    if (largest := max(tokenizer.get_vocab().values(), default=0)) >= rows:
        raise UserError(
            f"{origin}: its tokenizer has the token {largest}, its text encoder only {rows} rows: they do"
            " not belong together; fetch it again"
        )
