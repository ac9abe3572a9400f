"""The group filter_tags."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.schemas.group import Group, NonEmpty, Positive, Share

Category = Literal["general", "character", "copyright", "artist", "meta", "quality", "model", "rating"]
IdentityList = Literal["accessories", "body", "clothes", "ears", "eyes", "face", "hair", "horns", "species"]
KeepList = Literal["background", "composition", "expression", "framing", "people", "pose"]
Place = Literal["prepend", "append", "replace", "ignore"]


class FilterTags(Group):
    categories: list[Category]
    selection: Literal["threshold", "mcut"]
    threshold: Share
    character_threshold: Share
    copyright_threshold: Share
    artist_threshold: Share
    meta_threshold: Share
    quality_threshold: Share
    model_threshold: Share
    mcut_min: Share
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
    existing_caption: Place
    existing_form: Literal["auto", "tags", "text"]
    filter_existing: bool
    sentence: Place
    underscores: bool
    escape: bool
    caption_separator: NonEmpty
    keep_tokens_separator: NonEmpty | None
    secondary_separator: NonEmpty | None
