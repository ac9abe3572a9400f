"""Sizes and samplers that follow the base: null takes what suits its family."""

from pathlib import Path

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.look import recognise
from pipeline.bases.prediction import PredictionType
from pipeline.bases.registry import Recognised, known_or_first
from pipeline.config.following import ConfigValues
from pipeline.errors import UserError
from pipeline.schemas.samplers import USUAL_SAMPLER

STEP_PX = 64
"""Resolutions are multiples of it."""
SAMPLERS = ("class_images.sampler", "sample_grid.sampler")
BY_FAMILY = (
    "crop.resolution",
    "crop.bucket_min_px",
    "crop.bucket_max_px",
    "crop.bucket_step_px",
    "collect.min_side_px",
    "class_images.resolution",
    "sample_grid.resolution",
    "logging.sample_resolution",
    *SAMPLERS,
)
"""Keys that may be null: the family's value is used."""


def fill(config: ConfigValues) -> None:
    """Fills in every null of BY_FAMILY.

    Crops, class images and the least side allowed have one size, because a batch holds the first two and
    smaller pictures would be enlarged: a crop.resolution of the user's own decides all three.
    """
    recognised = _recognised(config["base"])
    facts = _facts(config["base"], recognised)
    prediction = _prediction(config["base"], recognised)
    side, crop = base_side_px(facts, recognised, prediction), config["crop"]
    _default(crop, "resolution", side)
    own = crop["resolution"] if _is_resolution(crop["resolution"]) else side
    usual = bucket_sides(facts, own, prediction, is_used=crop["shape"] == "buckets")
    for key, number in usual.items():
        _default(crop, key, number)
    _default(config["collect"], "min_side_px", own)
    _default(config["class_images"], "resolution", own)
    _default(config["sample_grid"], "resolution", side)
    _default(config["logging"], "sample_resolution", facts.side_px(prediction))
    for group in ("class_images", "sample_grid"):
        _default(config[group], "sampler", USUAL_SAMPLER[facts.objective])


def family_values(base: ConfigValues) -> dict[str, int | str]:
    """The family's own values by key, whatever the base's files say about their size."""
    recognised = _recognised(base)
    facts, prediction = _facts(base, recognised), _prediction(base, recognised)
    side = facts.side_px(prediction)
    sides: dict[str, int | str] = dict.fromkeys(BY_FAMILY, side)
    samplers = dict.fromkeys(SAMPLERS, USUAL_SAMPLER[facts.objective])
    buckets = bucket_sides(facts, side, prediction, is_used=True)
    return sides | samplers | {f"crop.{key}": number for key, number in buckets.items()}


def base_side_px(facts: FamilyFacts, recognised: Recognised | None, prediction: PredictionType | None) -> int:
    """Side of the square that the base was trained on: as its files say, else as its family."""
    stated = recognised.side_px if recognised else None
    return stated if stated and stated % STEP_PX == 0 else facts.side_px(prediction)


def bucket_sides(
    facts: FamilyFacts, resolution: int, prediction: PredictionType | None, *, is_used: bool
) -> dict[str, int]:
    """Limits and step of buckets of this area; `is_used`: whether crops are put into buckets."""
    least = min(facts.bucket_min_px, resolution // 2) if is_used else facts.bucket_min_px
    return {
        "bucket_min_px": least,
        "bucket_max_px": 2 * max(resolution, facts.side_px(prediction)),
        "bucket_step_px": facts.bucket_step_px,
    }


def _is_resolution(value: object) -> bool:
    """A wrong value is reported once, not for every key that would follow it."""
    return type(value) is int and value > 0 and value % STEP_PX == 0


def _default(group: ConfigValues, key: str, value: int | str) -> None:
    if group[key] is None:
        group[key] = value


def _recognised(base: ConfigValues) -> Recognised | None:
    """What a look at the base says; None if it cannot be looked at."""
    try:
        return recognise(Path(base["path"])) if isinstance(base["path"], str) else None
    except (UserError, OSError, ValueError):  # compose reports it
        return None


def _facts(base: ConfigValues, recognised: Recognised | None) -> FamilyFacts:
    """The family's facts; those of SD 1.x if it is not known."""
    if recognised and recognised.facts:
        return recognised.facts
    return known_or_first(str(base["family"]))


def _prediction(base: ConfigValues, recognised: Recognised | None) -> PredictionType | None:
    found = recognised.prediction if recognised else None
    given: PredictionType | None = base["prediction_type"]
    return given or (found.type if found else None)
