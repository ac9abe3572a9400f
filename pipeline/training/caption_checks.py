"""Checks before a training that its captions can teach what it is for."""

from pipeline.bases.tokens import too_long
from pipeline.captions.templates import read_templates
from pipeline.captions.wildcards import has_wildcards
from pipeline.errors import UserError, nearest, warn
from pipeline.schemas import EmbeddingConfig
from pipeline.training.data import EncodedData


def name_subjects(data: EncodedData, config: EmbeddingConfig) -> None:
    """Makes captions fill the chosen prompt templates, with the words of each concept."""
    data.templates = read_templates(config.templates) if config.templates else ()
    concepts = {picture.concept for picture in data.pictures}
    if unknown := sorted(set(config.concepts.values()) - concepts):
        raise UserError(f"network.concepts: {', '.join(unknown)}: {nearest(unknown[0], sorted(concepts))}")
    data.names = {concept: ", ".join(config.words_of(concept)) for concept in concepts}


def check_captions(data: EncodedData) -> None:
    """Raises UserError if no caption contains an embedding's word; warns of unused wildcards and long
    captions.
    """
    if unseen := data.unseen_words():
        raise UserError(
            f"no caption contains {', '.join(unseen)}, so it would not be trained; set"
            " filter_tags.trigger to the word, or network.templates to a set of prompt templates"
        )
    marked = [picture.caption for picture in data.pictures if has_wildcards(picture.caption)]
    if marked and not data.config.wildcards:
        warn(
            f"{len(marked)} captions contain wildcards ({marked[0][:80]!r} ...), which are used as"
            " written; set train.wildcards: true"
        )
    most = data.config.max_tokens
    if cut := too_long(data.tokenizer, data.longest_texts(), data.words, most):
        warn(
            f"{len(cut)} captions are longer than {most} tokens and are cut off:"
            f" {cut[0][:80]!r} ...; set filter_tags.max_tokens to {most}, or raise train.max_tokens"
        )
