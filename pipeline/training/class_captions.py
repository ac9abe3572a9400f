"""The captions for which training holds a network to its base (`train.preservation`). Pure.

prior           a zibbo, red scarf  -->  dog                   the class alone
differential    a zibbo, red scarf  -->  a dog, red scarf      the class in place of the trigger
"""

from pipeline.schemas import TrainConfig
from pipeline.texts.words import has_words, with_words_replaced


def class_of(concept: str, config: TrainConfig) -> str | None:
    """The concept's class; None if it has none."""
    named = config.preservation_class
    return named.get(concept) if isinstance(named, dict) else named


def class_caption(shown: str, trigger: str | None, its_class: str, way: str) -> str:
    """`shown`: the caption of this step. Where it lacks the trigger, as a dropped caption does, the class
    alone: held to the base for the caption that it learns, the network would learn less of it.
    """
    if way == "prior" or not trigger or not has_words(shown, trigger):
        return its_class
    return with_words_replaced(shown, trigger, its_class)
