"""The captions for which training holds a network to its base (`train.preservation`). Pure.

prior           a zibbo, red scarf  -->  dog                   the class alone
differential    a zibbo, red scarf  -->  a dog, red scarf      the class in place of the trigger
"""

import re

from pipeline.schemas import TrainConfig


def class_of(concept: str, config: TrainConfig) -> str | None:
    """The concept's class; None if it has none."""
    named = config.preservation_class
    return named.get(concept) if isinstance(named, dict) else named


def class_caption(shown: str, trigger: str | None, its_class: str, way: str) -> str:
    """`shown`: the caption of this step. Where it lacks the trigger, as a dropped caption does, the class
    alone: held to the base for the caption that it learns, the network would learn less of it.
    """
    if way == "prior" or not trigger or not has_trigger(shown, trigger):
        return its_class
    return _words(trigger).sub(lambda _: its_class, shown)


def has_trigger(caption: str, trigger: str) -> bool:
    """Whether the caption contains it as whole words, in any case."""
    return bool(_words(trigger).search(caption))


def _words(trigger: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(trigger)}(?!\w)", re.IGNORECASE)
