"""What a file or folder states about a base: its parts' configurations and its tokenizer. It comes from a
stranger, so it is checked before anything is built from it. Only two texts of a tokenizer are read, by the
names below, whatever else a header holds.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pipeline.bases.part_schemas import MOST_ENTRIES, MOST_TOKENS, PART_SCHEMAS
from pipeline.errors import UserError, warn
from pipeline.files.json_text import JsonError, insist_on_shallow, parse_mapping

BASE_KEY = "athanor.base"
"""Entry in the header of our own single files: configurations of the parts and the tokenizer's two files, as
JSON.
"""
T5_TOKENIZER = "tokenizer_3"
"""T5's tokenizer: its folder in diffusers' layout, and its entry in such a header."""
STAMPS = {
    "_name_or_path", "transformers_version", "_diffusers_version", "dtype", "torch_dtype",
    "_use_default_values",
}  # fmt: skip
"""Entries of configurations that say where and when they were made."""
TOKENIZER_FILES = ("vocab.json", "merges.txt")
MOST_TOKENIZER_CHARACTERS = 1 << 24
"""Characters of a tokenizer's file; CLIP's have 1.4 million."""
MOST_CONFIG_DEPTH = 4
MOST_NUMBER = 1 << 18


def stated(text: str | None, origin: str) -> dict[str, Any]:
    """Reads a header's entry BASE_KEY: `configs` of the parts that it has, `tokenizer`, and `tokenizer_3`
    unchecked. Empty without the entry; raises UserError if it is invalid.
    """
    if text is None:
        return {}
    own = _parsed(text, f"{origin}: {BASE_KEY} in its header")
    configs, tokenizer = own.get("configs"), own.get("tokenizer")
    entries: dict[str, Any] = {}
    if configs is not None:
        entries["configs"] = checked_configs(configs, f"{origin}: configs in its header")
    if "tokenizer" in own:
        entries["tokenizer"] = None if tokenizer is None else tokenizer_texts(tokenizer, origin)
    if T5_TOKENIZER in own:
        entries[T5_TOKENIZER] = own[T5_TOKENIZER]
    return entries


def checked_configs(configs: Any, origin: str) -> dict[str, dict[str, Any]]:
    """Checks the parts' configurations and returns them unchanged."""
    if not isinstance(configs, dict):
        raise UserError(f"{origin} must be a mapping of {', '.join(PART_SCHEMAS)}; fetch the file again")
    return {part: checked(part, configs[part], origin) for part in configs if part in PART_SCHEMAS}


def checked(part: str, config: Any, origin: str) -> dict[str, Any]:
    """Checks one part's configuration and returns it unchanged. Raises UserError with every mistake."""
    if not isinstance(config, Mapping):
        raise UserError(f"{origin}: {part} must be a mapping, found {_shown(config)}; fetch it again")
    values = dict(config)
    problems = _not_plain(values)
    try:
        PART_SCHEMAS[part].model_validate(values)
    except ValidationError as error:
        problems += [_sentence(each["loc"], each["msg"], each["input"]) for each in error.errors()]
    if problems:
        sentences = [f"{origin}: {part}.{problem}; it was changed or damaged: fetch it again"
                     for problem in dict.fromkeys(problems)]  # fmt: skip
        raise UserError(*sentences[:10])
    return values


def _sentence(place: tuple[int | str, ...], message: str, value: Any) -> str:
    where = ".".join(str(step) for step in place)[:100]
    if message == "Field required":
        return f"{where} is missing"
    return f"{where}: {_shown(value)} is not allowed ({message[:1].lower()}{message[1:]})"


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:60]}..."


def _not_plain(values: dict[str, Any]) -> list[str]:
    """Entries that are not short plain values."""
    return [f"{_shown(key)}: {reason}" for key, value in values.items() if (reason := _oddity(value))]


def _oddity(value: Any) -> str | None:
    try:
        insist_on_shallow(value, MOST_CONFIG_DEPTH)
    except JsonError as error:
        return str(error)
    waiting, seen = [value], 0
    while waiting:
        each = waiting.pop()
        seen += 1
        if isinstance(each, dict | list | tuple):
            waiting += [*each, *each.values()] if isinstance(each, dict) else each
        elif isinstance(each, str):
            if len(each) > 1000:
                return f"a text of {len(each)} characters"
        elif isinstance(each, int | float):
            if not abs(each) <= MOST_NUMBER:  # nan is neither
                return f"{_shown(each)} is out of range"
        elif each is not None:
            return f"{type(each).__name__} is not a plain value"
    return f"{seen} values" if seen > MOST_ENTRIES + 1 else None


def tokenizer_texts(files: Any, origin: str) -> dict[str, str]:
    """vocab.json and merges.txt. Warns of other names and ignores them; raises UserError for missing or
    damaged ones.
    """
    if not isinstance(files, Mapping):
        raise UserError(f"{origin}: its tokenizer must be a mapping of {' and '.join(TOKENIZER_FILES)}")
    if other := [_shown(str(name)) for name in files if name not in TOKENIZER_FILES]:
        warn(
            f"{origin}: its tokenizer names {', '.join(other[:3])}, which is not a file of a"
            " tokenizer; ignored: somebody may have tampered with the file"
        )
    for name in TOKENIZER_FILES:
        text = files.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= MOST_TOKENIZER_CHARACTERS:
            raise UserError(
                f"{origin}: its tokenizer has no valid text {name}; the file is damaged: fetch it again"
            )
    _check_tokens(files["vocab.json"], files["merges.txt"], origin)
    return {name: files[name] for name in sorted(TOKENIZER_FILES)}


def _check_tokens(vocabulary: str, merges: str, origin: str) -> None:
    tokens = _parsed(vocabulary, f"{origin}: vocab.json of its tokenizer")
    ids = [number for number in tokens.values() if isinstance(number, int) and 0 <= number < MOST_TOKENS]
    if len(ids) != len(tokens) or len(set(ids)) != len(ids):
        raise UserError(
            f"{origin}: vocab.json of its tokenizer must give each token its own number; fetch the file again"
        )
    lines = [line for line in merges.split("\n") if line and not line.startswith("#version")]
    for line in lines:
        first, blank, second = line.partition(" ")
        if not blank or not {first, second, first + second} <= tokens.keys():
            raise UserError(
                f"{origin}: merges.txt of its tokenizer joins {_shown(line)}, which is not in vocab.json;"
                " fetch the file again"
            )


def _parsed(text: str, what: str) -> dict[str, Any]:
    try:
        return parse_mapping(text)
    except JsonError as error:
        raise UserError(f"{what} is not readable JSON ({error}); fetch the file again") from None
