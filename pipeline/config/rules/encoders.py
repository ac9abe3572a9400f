"""Rules between settings and the text encoders of the base's family."""

from pipeline.bases.facts import FamilyFacts
from pipeline.schemas import AestheticConfig, CheckpointConfig, Config, HypernetworkConfig


def encoder_problems(config: Config, facts: FamilyFacts) -> list[str]:
    """Settings that the text encoders of the base's family do not allow."""
    problems = _dropout_problems(config, facts) + _t5_problems(config, facts)
    if config.base.clip_skip > facts.text_layers:
        problems.append(
            f"base.clip_skip {config.base.clip_skip}: the text encoder of {facts.title} has"
            f" {facts.text_layers} layers; set it to at most {facts.text_layers}"
        )
    if isinstance(config.network, HypernetworkConfig) and not facts.has_hypernetworks:
        problems.append(
            f"network.name hypernetwork: no tool reads hypernetworks of {facts.title}; train a lora instead"
            " (use: {network: lora})"
        )
    if isinstance(config.network, AestheticConfig) and len(facts.text_encoders) > 1:
        problems.append(
            f"network.name aesthetic acts on one text encoder, and {facts.title} has"
            f" {len(facts.text_encoders)}; train an embedding instead (use: {{network: embedding}})"
        )
    return problems


def _dropout_problems(config: Config, facts: FamilyFacts) -> list[str]:
    """Dropouts of encoders that the family does not have, or that alone read the text."""
    count = len(facts.text_encoders) + facts.has_t5
    names = ("text_encoder_dropout", "text_encoder_2_dropout", "text_encoder_3_dropout")
    given = [name for name in names if getattr(config.train, name)]
    if given and count == 1:
        return [
            f"train.{given[0]} needs a base with several text encoders, and {facts.title} has one; set it to"
            " 0, and train.caption_dropout in its place"
        ]
    return [
        f"train.{name}: {facts.title} has {count} text encoders; set it to 0"
        for name in given
        if name in names[count:]
    ]


def _t5_problems(config: Config, facts: FamilyFacts) -> list[str]:
    base = config.base
    if not facts.has_t5:
        names = [name for name in ("t5", "t5_tokenizer", "t5_tokens") if name in base.texts_identity]
        return [f"base.{name}: {facts.title} has no T5; remove it" for name in names]
    if base.t5 == "int8" and isinstance(config.network, CheckpointConfig):
        return [
            "base.t5 int8 rounds T5, which the file of network checkpoint holds; set base.t5 to own or none"
        ]
    return []
