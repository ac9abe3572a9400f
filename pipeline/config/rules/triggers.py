"""The words that a network learns, which some texts should lack."""

from collections.abc import Sequence

from pipeline.schemas import Config


def triggers(config: Config) -> Sequence[str]:
    """filter_tags.trigger, of every concept."""
    trigger = config.filter_tags.trigger
    return list(trigger.values()) if isinstance(trigger, dict) else list(filter(None, [trigger]))
