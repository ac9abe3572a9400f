"""Settings with every rule off but the threshold, and rows, for tests of captions."""

from typing import Any

from pipeline.schemas import FilterTagsConfig

PLAIN: dict[str, Any] = {
    "categories": ["general", "character"],
    "selection": "threshold",
    "threshold": 0.35,
    "character_threshold": 0.85,
    "copyright_threshold": 0.85,
    "artist_threshold": 0.85,
    "meta_threshold": 0.35,
    "quality_threshold": 0.5,
    "model_threshold": 0.5,
    "mcut_min": 0.15,
    "trigger": None,
    "replace": {},
    "blacklist": [],
    "identity_lists": [],
    "identity_share": None,
    "keep_lists": [],
    "keep": [],
    "implications": False,
    "order": "score",
    "max_tags": 30,
    "max_tokens": None,
    "existing_caption": "prepend",
    "existing_form": "tags",
    "filter_existing": True,
    "sentence_kind": None,
    "sentence": "prepend",
    "underscores": False,
    "escape": False,
    "caption_separator": ",",
    "keep_tokens_separator": None,
    "secondary_separator": None,
}


def config(**changes: object) -> FilterTagsConfig:
    return FilterTagsConfig.model_validate({**PLAIN, **changes})


def row(picture_id: str = "zib/0", general: dict[str, float] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "id": picture_id,
        "concept": picture_id.split("/", maxsplit=1)[0],
        "is_class": False,
        "caption": None,
        "sentence": None,
        "scores": {"general": general or {}},
        **changes,
    }
