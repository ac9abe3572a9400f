"""The group filter_tags."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.schemas.group import Fraction, Group, NonEmpty, Positive

Category = Literal["general", "character", "copyright", "artist", "meta", "quality", "model", "rating"]
IdentityList = Literal["accessories", "body", "clothes", "ears", "eyes", "face", "hair", "horns", "species"]
KeepList = Literal["background", "composition", "expression", "framing", "people", "pose"]
Threshold = Fraction | Literal["model"]
"""A number, or the one that the tagger's files state."""
OwnCaptionUse = Literal["prepend", "append", "replace", "ignore"]


class FilterTagsConfig(Group):
    categories: list[Category]
    selection: Literal["threshold", "mcut"]
    threshold: Threshold
    character_threshold: Threshold
    copyright_threshold: Threshold
    artist_threshold: Threshold
    meta_threshold: Threshold
    quality_threshold: Threshold
    model_threshold: Threshold
    mcut_min: Fraction
    trigger: NonEmpty | dict[NonEmpty, NonEmpty] | None
    replace: dict[NonEmpty, NonEmpty | list[NonEmpty]]
    blacklist: list[NonEmpty]
    identity_lists: list[IdentityList]
    identity_share: Annotated[float, Field(gt=0, le=1)] | None
    keep_lists: list[KeepList]
    keep: list[NonEmpty]
    implications: bool
    order: Literal["score", "frequency", "alphabet"]
    max_tags: Positive
    max_tokens: Positive | None
    existing_caption: OwnCaptionUse
    existing_form: Literal["auto", "tags", "text"]
    filter_existing: bool
    sentence: OwnCaptionUse
    sentence_kind: NonEmpty | None
    underscores: bool
    escape: bool
    caption_separator: NonEmpty
    keep_tokens_separator: NonEmpty | None
    secondary_separator: NonEmpty | None
