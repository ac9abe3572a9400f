"""A prompt in plain words, for the tagger and CLIP to compare pictures with, and for tools without this
grammar. Pure.
"""

from pipeline.prompts.network_tags import split_tags
from pipeline.prompts.steps import texts_by_step
from pipeline.prompts.weights import BREAK, weighted_parts


def plain_prompt(prompt: str, steps: int, second_steps: int = 0) -> str:
    """The prompt without calls of networks, weights and BREAK; if it changes while a picture is drawn in
    `steps` and `second_steps`, the last form.
    """
    *_, last = texts_by_step(split_tags(prompt)[0], steps, second_steps)
    parts = (" " if part.text == BREAK else part.text for part in weighted_parts(last))
    return " ".join("".join(parts).split())
