"""The group collect."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from pipeline.schemas.group import Count, Fraction, Group, NonEmpty, Positive, Sha256, Weight


def _word(value: Any) -> Any:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


Paths = NonEmpty | Annotated[list[NonEmpty], Field(min_length=1)]
Fatal = Literal["unreadable", "truncated", "animated", "too_many_pixels", "same_stem", "download"]
Check = Literal[
    Fatal,
    "too_small", "extreme_aspect", "duplicate", "near_duplicate", "blur", "dark", "bright", "border",
    "watermark", "text", "jpeg_damage", "upscaled", "no_face", "several_faces", "wrong_suffix",
    "broken_profile", "odd_name",
    "caption_missing", "caption_empty", "unknown_file", "mask_unreadable", "mask_size", "mask_empty",
]  # fmt: skip
FATAL: frozenset[str] = frozenset(get_args(Fatal))
"""Checks for files that give no picture to train on: `error` or `drop`, and never waived."""
CHECKS: tuple[str, ...] = get_args(Check)
Level = Annotated[Literal["error", "drop", "warn", "off"], BeforeValidator(_word)]


class CollectConfig(Group):
    source: Paths
    class_source: Paths | None
    repeats: Positive
    aim: Literal["character", "person", "style", "concept", "embedding"] | None
    caption_columns: list[NonEmpty]
    caption_lines: Literal["auto", "alternatives", "tags", "join", "first"]
    caption_separator: NonEmpty
    checks: dict[Check, Level]
    min_side_px: Positive
    max_aspect: Annotated[float, Field(ge=1)]
    min_sharpness: Weight
    min_brightness: Fraction
    max_brightness: Fraction
    max_border_share: Fraction
    max_blockiness: Weight
    min_fine_detail: Fraction
    face_model: NonEmpty
    face_model_sha256: Sha256 | None
    face_min_score: Fraction
    text_detector: Literal["guess", "ocr"]
    min_text_score: Fraction
    near_duplicate_bits: Annotated[int, Field(ge=0, le=32)]
    downloader: Literal["direct", "gallery-dl"]
    download_retries: Count
    download_timeout_s: Positive
    download_total_s: Positive
    download_limit_mib: Positive
