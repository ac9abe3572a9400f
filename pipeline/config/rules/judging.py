"""Rules of the grid and of what judges it: sample_grid, vision."""

from pathlib import Path

from pipeline.config.rules.triggers import triggers
from pipeline.schemas import Config
from pipeline.schemas.questions import read_question
from pipeline.texts.words import has_words


def judging_contradictions(config: Config) -> list[str]:
    return [*_head_contradictions(config), *_question_contradictions(config)]


def _question_contradictions(config: Config) -> list[str]:
    """Questions and the model that answers them need each other."""
    questions, model = config.sample_grid.questions, config.vision.questioner
    if questions and model is None:
        return [
            "sample_grid.questions are asked, but vision.questioner is null, so nothing answers; set"
            " vision.questioner to a vision-language model, or sample_grid.questions to []"
        ]
    if model is not None and not questions:
        return [
            f"vision.questioner {model} is set, but sample_grid.questions is []; write what to ask, or set"
            " vision.questioner to null"
        ]
    texts = [read_question(each).text for each in questions]
    return [
        f"sample_grid.questions has {text!r} twice, so it would count twice; remove one"
        for text in dict.fromkeys(texts)
        if texts.count(text) > 1
    ]


def _head_contradictions(config: Config) -> list[str]:
    head = config.vision.aesthetic
    if head and Path(head).suffix == ".safetensors" and config.vision.encoder is None:
        return [
            f"vision.aesthetic {head} is a head on an encoder's features, but vision.encoder is null; set"
            " vision.encoder to the head's own encoder, or vision.aesthetic to null"
        ]
    return []


def judging_doubts(config: Config) -> list[str]:
    """Prompts that cannot show drift, or that nothing looks at."""
    grid = config.sample_grid
    doubts = [
        f"sample_grid.drift_prompts: {prompt!r} holds the trigger {word}, so what is learned counts as drift;"
        " remove the word"
        for prompt in grid.drift_prompts
        for word in triggers(config)
        if has_words(prompt, word)
    ]
    has_tagger = config.tag.model is not None and bool(grid.subject_tags)
    if grid.drift_prompts and config.vision.encoder is None and not has_tagger:
        doubts.append(
            "sample_grid.drift_prompts has no effect: nothing measures drift; set vision.encoder, or"
            " tag.model and sample_grid.subject_tags"
        )
    return doubts
