"""What the base, as far as a look at it says, demands of other groups."""

from pathlib import Path

from pipeline.bases.facts import Facts
from pipeline.bases.look import look
from pipeline.bases.registry import families
from pipeline.config.schemas import Aesthetic, Config, Hypernetwork
from pipeline.errors import UserError

ONLY_WITH = {
    "scale_v_prediction": "v_prediction",
    "v_prediction_like": "epsilon",
    "zero_terminal_snr": "v_prediction",
}
"""What a setting of the group noise needs the base to predict."""
MOST_SIDES = 1.5
"""Resolutions further apart than this from the base's own are doubted."""


def base_contradictions(config: Config) -> list[str]:
    """Settings that the base's family does not allow."""
    facts = _facts(config)
    return [*_prediction_problems(config), *_encoder_problems(config, facts)] if facts else []


def _facts(config: Config) -> Facts | None:
    """The family's; None where it is not known yet."""
    return families().get(config.base.family or "")


def base_doubts(config: Config) -> list[str]:
    """Resolutions far from what the base was trained on."""
    if (facts := _facts(config)) is None:
        return []
    side = _side(config) or facts.resolution_px
    resolutions = {name: getattr(config, name).resolution for name in ("crop", "sample_grid")}
    return [
        f"{name}.resolution is {value}, but the base at base.path was trained on {side} px: far from it,"
        f" pictures come out broken or blurred; {side} is usual"
        for name, value in resolutions.items()
        if not side / MOST_SIDES <= value <= side * MOST_SIDES
    ]


def predicted(config: Config) -> str | None:
    """What the base predicts: as set, else as its files say; None where neither does."""
    if config.base.prediction_type:
        return config.base.prediction_type
    try:
        found = look(Path(config.base.path))
    except UserError:  # it is named elsewhere
        return None
    return found.prediction.type if found and found.prediction else None


def _side(config: Config) -> int | None:
    try:
        found = look(Path(config.base.path))
    except UserError:
        return None
    return found.side_px if found else None


def _prediction_problems(config: Config) -> list[str]:
    is_of = predicted(config)
    return [
        f"noise.{name} needs a base that predicts {needed}, but the one at base.path predicts {is_of}; leave"
        f" noise.{name} off, or take another base"
        for name, needed in ONLY_WITH.items()
        if getattr(config.noise, name) and is_of not in (None, needed)
    ]


def _encoder_problems(config: Config, facts: Facts) -> list[str]:
    problems = []
    if config.base.clip_skip > facts.text_layers:
        problems.append(
            f"base.clip_skip {config.base.clip_skip}: the text encoder of {facts.title} has"
            f" {facts.text_layers} layers; set it to at most {facts.text_layers}"
        )
    if isinstance(config.network, Hypernetwork) and not facts.has_hypernetworks:
        problems.append(
            f"network.name hypernetwork: no tool reads hypernetworks of {facts.title}; train a lora instead"
            " (use: {network: lora})"
        )
    if isinstance(config.network, Aesthetic) and len(facts.text_encoders) > 1:
        problems.append(
            f"network.name aesthetic acts on one text encoder, and {facts.title} has"
            f" {len(facts.text_encoders)}; train an embedding instead (use: {{network: embedding}})"
        )
    return problems
