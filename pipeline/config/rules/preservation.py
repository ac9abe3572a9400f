"""Rules of train.preservation, which holds a network to its base for captions of the class."""

from pipeline.config.rules.triggers import triggers
from pipeline.schemas import AdapterNetworkConfig, Config, TrainConfig
from pipeline.texts.words import has_words

KEYS = ("preservation_class", "preservation_weight")


def preservation_contradictions(config: Config, has_class_pictures: bool) -> list[str]:
    """Where it cannot work."""
    train, network, problems = config.train, config.network, []
    if not train.preserves:
        return []
    own = f"train.preservation {train.preservation}"
    if not isinstance(network, AdapterNetworkConfig):
        problems.append(
            f"{own} needs an adapter, which can be switched off to ask the base, but network.name is"
            f" {network.name}; use lora, locon, loha, lokr, ia3 or dylora, or set class_images.count instead"
        )
    if not train.preservation_class or not all(each.strip() for each in _classes(train)):
        problems.append(
            f"{own} needs train.preservation_class, the class in words (`dog`, `1girl`); set it, or"
            " train.preservation to none"
        )
    if has_class_pictures:
        problems.append(
            f"{own} is preservation without class pictures, but there are some (class_images.count or"
            " collect.class_source); set train.preservation to none, or remove the pictures"
        )
    return problems


def preservation_doubts(config: Config) -> list[str]:
    """Settings that have no effect, or that hold back what should be learned."""
    train = config.train
    if train.preservation == "none":
        return [
            f"train.{key} has no effect: train.preservation is none"
            for key in KEYS
            if getattr(train, key) != train.NEUTRAL[key]
        ]
    if not train.preservation_weight:
        return [f"train.preservation {train.preservation} has no effect: train.preservation_weight is 0"]
    return [
        f"train.preservation_class {each!r} holds the trigger {word}, which is then held to what the base"
        " draws; name the class without it"
        for each in _classes(train)
        for word in triggers(config)
        if has_words(each, word)
    ]


def _classes(train: TrainConfig) -> list[str]:
    named = train.preservation_class
    return list(named.values()) if isinstance(named, dict) else list(filter(None, [named]))
