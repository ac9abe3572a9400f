"""Rules between the base, as recognised from its files, and other groups."""

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
"""By setting of the group noise: what the base must predict."""
MOST_SIDES = 1.5
"""Largest usual factor between a resolution and the base's own."""


def base_contradictions(config: Config) -> list[str]:
    """Settings that the base's family does not allow."""
    facts = _facts(config)
    return [*_prediction_problems(config), *_encoder_problems(config, facts)] if facts else []


def _facts(config: Config) -> Facts | None:
    """The family's facts; None if the family is not known yet."""
    return families().get(config.base.family or "")


def base_doubts(config: Config) -> list[str]:
    """Resolutions far from what the base was trained on."""
    if (facts := _facts(config)) is None:
        return []
    side = _side(config) or facts.resolution_px
    resolutions = {name: getattr(config, name).resolution for name in ("crop", "sample_grid")}
    return [
        f"{name}.resolution is {value}, but the base at base.path was trained on {side} px: far from it,"
        f" pictures are broken or blurred; {side} is usual"
        for name, value in resolutions.items()
        if not side / MOST_SIDES <= value <= side * MOST_SIDES
    ]


def predicted(config: Config) -> str | None:
    """What the base predicts: as set, else as its files say; None if neither says."""
    if config.base.prediction_type:
        return config.base.prediction_type
    try:
        recognised = look(Path(config.base.path))
    except UserError:  # looked_at.py reports it
        return None
    return recognised.prediction.type if recognised and recognised.prediction else None


def _side(config: Config) -> int | None:
    try:
        recognised = look(Path(config.base.path))
    except UserError:
        return None
    return recognised.side_px if recognised else None


def _prediction_problems(config: Config) -> list[str]:
    prediction = predicted(config)
    return [
        f"noise.{name} needs a base that predicts {needed}, but the one at base.path predicts {prediction};"
        f" turn noise.{name} off, or choose another base"
        for name, needed in ONLY_WITH.items()
        if getattr(config.noise, name) and prediction not in (None, needed)
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
