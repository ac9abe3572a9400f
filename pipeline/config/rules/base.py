"""Rules between the base, as recognised from its files, and other groups."""

from pathlib import Path

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.look import blocks_of_base, recognise
from pipeline.bases.prediction import PredictionType
from pipeline.bases.registry import Recognised, families
from pipeline.config.by_family import base_side_px
from pipeline.config.rules.encoders import encoder_problems
from pipeline.config.rules.flow import objective_problems
from pipeline.errors import UserError
from pipeline.schemas import Config

PREDICTION_OF_SETTING = {
    "scale_v_prediction": "v_prediction",
    "v_prediction_like": "epsilon",
    "zero_terminal_snr": "v_prediction",
}
"""By setting of the group noise: what the base must predict."""
BY_BLOCK = ("blocks", "block_dims", "block_alphas", "block_rates")
"""Keys of the group network with names of blocks, or a number for each."""
MOST_SIDES = 1.5
"""Largest usual factor between a resolution and the base's own."""


def base_contradictions(config: Config) -> list[str]:
    """Settings that the base's family does not allow."""
    facts = _facts(config)
    if facts is None:
        return []
    return [
        *_prediction_problems(config),
        *_zero_snr_problems(config),
        *encoder_problems(config, facts),
        *_block_problems(config, facts),
        *objective_problems(config, facts),
    ]


def _facts(config: Config) -> FamilyFacts | None:
    """The family's facts; None if the family is not known yet."""
    return families().get(config.base.family or "")


def base_doubts(config: Config) -> list[str]:
    """Resolutions far from what the base was trained on, and settings that its family does not know."""
    if (facts := _facts(config)) is None:
        return _of_unknown_family(config)
    doubts = _resolution_doubts(config, facts)
    if config.train.size_conditioning != "real" and not facts.has_sizes:
        doubts.append(
            f"train.size_conditioning {config.train.size_conditioning} has no effect: {facts.title} is not"
            " conditioned on sizes"
        )
    if config.optimizer.text_encoder_2_lr is not None and len(facts.text_encoders) < 2:
        doubts.append(f"optimizer.text_encoder_2_lr has no effect: {facts.title} has one text encoder")
    if config.noise.min_snr_gamma is not None and _has_zero_snr(config):
        doubts.append(
            "noise.min_snr_gamma gives the last timestep the weight 0 with zero terminal SNR, so it is not"
            " learned: null is usual there"
        )
    return doubts


def _of_unknown_family(config: Config) -> list[str]:
    if Path(config.base.path).exists():
        return []
    return [
        f"base.family is null, and base.path {config.base.path} is not on this machine yet, so sizes that are"
        " null are those of SD 1.x; set base.family"
    ]


def _resolution_doubts(config: Config, facts: FamilyFacts) -> list[str]:
    recognised = _recognised(config)
    side = base_side_px(facts, recognised, _prediction(config, recognised))
    groups = ["crop", "sample_grid", *(["class_images"] if config.class_images.count else [])]
    resolutions = {name: getattr(config, name).resolution for name in groups}
    doubts = [
        f"{name}.resolution is {value}, but the base at base.path was trained on {side} px: far from it,"
        f" pictures are broken or blurred; {side} is usual, and null gives it"
        for name, value in resolutions.items()
        if not side / MOST_SIDES <= value <= side * MOST_SIDES
    ]
    if config.collect.min_side_px < side / MOST_SIDES:
        doubts.append(
            f"collect.min_side_px is {config.collect.min_side_px}, but the base at base.path was trained on"
            f" {side} px: pictures so small are enlarged, and their blur is learned; null follows"
            " crop.resolution"
        )
    return doubts


def _recognised(config: Config) -> Recognised | None:
    """What a look at the base says; None if it cannot be looked at."""
    try:
        return recognise(Path(config.base.path))
    except UserError:  # looked_at.py reports it
        return None


def _prediction(config: Config, recognised: Recognised | None) -> PredictionType | None:
    """As the user says, else as the base's files say."""
    found = recognised.prediction if recognised else None
    return config.base.prediction_type or (found.type if found else None)


def _has_zero_snr(config: Config) -> bool:
    """Whether the last timestep is pure noise: by a setting, or as the base's files say."""
    recognised = _recognised(config)
    prediction = recognised.prediction if recognised else None
    return config.noise.zero_terminal_snr or bool(prediction and prediction.zero_terminal_snr)


def _zero_snr_problems(config: Config) -> list[str]:
    if config.noise.offset and _has_zero_snr(config):
        return [
            f"noise.offset {config.noise.offset:g} does not go with zero terminal SNR: drawing starts from"
            " plain noise, which such a training never sees; set noise.offset to 0"
        ]
    return []


def _prediction_problems(config: Config) -> list[str]:
    prediction = _prediction(config, _recognised(config))
    return [
        f"noise.{name} needs a base that predicts {needed}, but the one at base.path predicts {prediction};"
        f" turn noise.{name} off, or choose another base"
        for name, needed in PREDICTION_OF_SETTING.items()
        if getattr(config.noise, name) and prediction not in (None, needed)
    ]


def _block_problems(config: Config, facts: FamilyFacts) -> list[str]:
    """Settings by block that are for another family's blocks."""
    problems = []
    for key in BY_BLOCK:
        setting = getattr(config.network, key, None)
        blocks = blocks_of_base(config.base, len(setting) if isinstance(setting, list) else None)
        own = f"{facts.title} has {len(blocks)} ({blocks[0]} to {blocks[-1]})"
        names = setting if key == "blocks" or isinstance(setting, dict) else None
        if names and (others := sorted(set(names) - set(blocks))):
            problems.append(f"network.{key}: there is no block {others[0]}; {own}")
        elif names is None and isinstance(setting, list) and len(setting) != len(blocks):
            problems.append(f"network.{key} has {len(setting)} numbers, one for each block; {own}")
    return problems
