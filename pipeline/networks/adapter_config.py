"""PEFT's settings of an adapter: the rank and alpha that each module was trained with.

They are in the header of diffusers' files (`lora_adapter_metadata`: JSON, one set of keys per part, as in
`unet.lora_alpha`), or in the file `adapter_config.json` that PEFT writes next to the weights. `use_rslora`
scales by alpha / sqrt(rank) instead of alpha / rank; `alpha_pattern` and `rank_pattern` give single modules
their own values, by regular expression (huggingface/peft utils/other.py, get_pattern_key;
tuners/lora/config.py).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.files.json_text import JsonError, parse_mapping, read_mapping
from pipeline.files.text_file import ADAPTER_SETTINGS
from pipeline.networks.module_patterns import MOST_WORK, effort, matches_end, work

PEFT_KEY = "lora_adapter_metadata"
CONFIG_FILE = "adapter_config.json"
PEFT_PARTS = ("unet", "transformer", "text_encoder", "text_encoder_2")
SCALE_SETTINGS = {"r", "lora_alpha", "alpha", "rank_pattern", "alpha_pattern", "use_rslora"}
"""PEFT's settings that determine the scale."""
MOST_PATTERNS = 256
MOST_PATTERN_CHARACTERS = 200
"""Of a pattern, and of a module's name that is matched with one."""
_KINDS = ("LORA", "LOHA", "LOKR")
"""Values of PEFT's `peft_type` with weights that are read here."""


@dataclass(frozen=True)
class AdapterConfig:
    """One part's settings; `origin` names their source in errors."""

    origin: str
    rank: float
    alpha: float
    ranks: Mapping[str, float]
    alphas: Mapping[str, float]
    rslora: bool

    def insist_on_little_work(self, modules: Iterable[str]) -> None:
        """Rejects a stranger's patterns and modules that are allowed one by one but too many together."""
        matched = [module for module in modules if len(module) <= MOST_PATTERN_CHARACTERS]
        if work((*self.ranks, *self.alphas), matched) > MOST_WORK:
            raise UserError(
                f"{self.origin}: matching its patterns with {len(matched)} modules would take too long; name"
                " the modules plainly, or use fewer * + ? and (a|b)"
            )

    def rank_of(self, module: str) -> float:
        return _by_pattern(self.ranks, module, self.rank)

    def scale_of(self, module: str) -> float:
        """The factor by which PEFT multiplies the product of the two matrices."""
        rank, alpha = self.rank_of(module), _by_pattern(self.alphas, module, self.alpha)
        return alpha / (sqrt(rank) if self.rslora else rank)


def header_configs(metadata: Mapping[str, str], path: Path) -> dict[str, AdapterConfig]:
    """By part: `unet`, `text_encoder`, `text_encoder_2`; `` for a file with one part. Raises UserError for a
    damaged header and for one that names anything else.
    """
    if PEFT_KEY not in metadata:
        return {}
    origin = f"{path}: {PEFT_KEY} in its header"
    try:
        values = parse_mapping(metadata[PEFT_KEY])
    except JsonError as error:
        raise UserError(f"{origin} is not readable JSON ({error}); fetch the file again") from None
    parts: dict[str, dict[str, Any]] = {}
    for part, name, value in _by_part(values):
        if name in parts.setdefault(part, {}):
            raise UserError(f"{origin}: {part}.{name[:60]} is set twice; fetch the file again")
        parts[part][name] = value
    if unknown := sorted(parts.keys() - {"", *PEFT_PARTS}):
        raise UserError(
            f"{origin} names the part {unknown[0][:60]!r}; a LoRA for Stable Diffusion has only"
            f" {', '.join(PEFT_PARTS)}: use a file for this base"
        )
    return {part: _config(own, origin) for part, own in parts.items() if own.keys() & SCALE_SETTINGS}


def _by_part(values: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(part, setting, value) of `unet.r` and of `unet: {r: ...}`."""
    for key, value in values.items():
        if key in PEFT_PARTS and isinstance(value, dict):
            yield from ((key, name, inner) for name, inner in value.items())
        else:
            part, _, name = key.rpartition(".")
            yield part, name, value


def companion_config(path: Path) -> AdapterConfig | None:
    """From the file `adapter_config.json` in the weights' folder; None without it."""
    companion = path.parent / CONFIG_FILE
    if not companion.is_file():
        return None
    values = read_mapping(companion, ADAPTER_SETTINGS)
    kind = values.get("peft_type", "LORA")
    if kind not in _KINDS:
        raise UserError(
            f"{companion} has peft_type {str(kind)[:40]!r}; only {', '.join(_KINDS)} can be read:"
            " merge the adapter into its base with PEFT (merge_and_unload) and use that"
        )
    return _config(values, str(companion))


def _config(values: Mapping[str, Any], origin: str) -> AdapterConfig:
    """LoHa and LoKr call alpha `alpha`; a missing one is PEFT's default, 8."""
    rank = _rank(values.get("r", 8), "r", origin)
    alpha = values.get("lora_alpha", values.get("alpha", 8))
    return AdapterConfig(
        origin,
        rank,
        _number(alpha, "lora_alpha", origin),
        _patterns(values.get("rank_pattern"), "rank_pattern", origin, _rank),
        _patterns(values.get("alpha_pattern"), "alpha_pattern", origin, _number),
        _flag(values.get("use_rslora"), "use_rslora", origin),
    )


def _flag(value: Any, key: str, origin: str) -> bool:
    if value in (None, False, 0, "false", "False"):
        return False
    if value not in (True, 1, "true", "True"):
        raise UserError(
            f"{origin}: {key} is {str(value)[:50]}; it must be true or false: fetch the file again"
        )
    return True


def _number(value: Any, key: str, origin: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value < 1e9
        or not isfinite(value)
    ):
        raise UserError(
            f"{origin}: {key} is {str(value)[:50]}; it must be a number above 0: fetch the file again"
        )
    return float(value)


def _rank(value: Any, key: str, origin: str) -> float:
    if (number := _number(value, key, origin)) != int(number):
        raise UserError(f"{origin}: {key} is {number:g}; a rank is a whole number: fetch the file again")
    return number


def _patterns(
    values: Any, key: str, origin: str, checked: Callable[[Any, str, str], float]
) -> dict[str, float]:
    if values is None:
        return {}
    if not isinstance(values, dict) or len(values) > MOST_PATTERNS:
        raise UserError(
            f"{origin}: {key} is not a mapping of at most {MOST_PATTERNS} patterns; fetch the file again"
        )
    return {
        _pattern(text, key, origin): checked(value, f"{key} {text[:60]}", origin)
        for text, value in values.items()
    }


def _pattern(text: str, key: str, origin: str) -> str:
    if len(text) > MOST_PATTERN_CHARACTERS or effort(text) is None:
        raise UserError(
            f"{origin}: {key} has the pattern {text[:60]!r}, which cannot be matched safely: name the"
            " modules plainly, or with one * or + and a few (a|b)"
        )
    return text


def _by_pattern(patterns: Mapping[str, float], module: str, default: float) -> float:
    """The first pattern that matches the end of the module's name, as in PEFT."""
    if len(module) > MOST_PATTERN_CHARACTERS:
        return default
    return next((value for text, value in patterns.items() if matches_end(text, module)), default)
