"""Checks before a training that its captions can teach what it is for."""

from pipeline.bases.tokens import too_long
from pipeline.captions.templates import read_templates
from pipeline.captions.wildcards import has_wildcards
from pipeline.errors import UserError, nearest, warn
from pipeline.schemas import EmbeddingConfig
from pipeline.texts.lines import alternatives
from pipeline.texts.words import has_words
from pipeline.training.caption_kinds import insist_on_kinds
from pipeline.training.class_captions import class_of
from pipeline.training.data import EncodedData, Picture


def name_subjects(data: EncodedData, config: EmbeddingConfig) -> None:
    """Makes captions fill the chosen prompt templates, with the words of each concept."""
    data.templates = read_templates(config.templates) if config.templates else ()
    concepts = {picture.concept for picture in data.pictures}
    if unknown := sorted(set(config.concepts.values()) - concepts):
        raise UserError(f"network.concepts: {', '.join(unknown)}: {nearest(unknown[0], sorted(concepts))}")
    data.names = {concept: ", ".join(config.words_of(concept)) for concept in concepts}


def check_captions(data: EncodedData) -> None:
    """Raises UserError if no caption is of a kind that should be shown, or contains an embedding's word, or
    if some lack what `train.preservation` needs; warns of unused wildcards and long captions.
    """
    insist_on_kinds((picture.kinds for picture in data.pictures), data.config)
    _insist_on_classes(data)
    if unseen := data.unseen_words():
        raise UserError(
            f"no caption contains {', '.join(unseen)}, so it would not be trained; set"
            " filter_tags.trigger to the word, or network.templates to a set of prompt templates"
        )
    texts = (text for picture in data.pictures for text in data.texts(picture).values())
    marked = [text for text in texts if has_wildcards(text)]
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


def _insist_on_classes(data: EncodedData) -> None:
    """Every concept needs a class, and for `differential` every caption its trigger."""
    if not data.config.preserves:
        return
    concepts = sorted({picture.concept for picture in data.pictures})
    if missing := [concept for concept in concepts if class_of(concept, data.config) is None]:
        raise UserError(
            f"train.preservation_class: no class for {', '.join(missing[:5])}; add it, as in"
            f" {{{missing[0]}: dog}}"
        )
    if data.config.preservation != "differential":
        return
    if lacking := [picture for picture in data.pictures if not _names_its_trigger(data, picture)]:
        raise UserError(
            f"train.preservation differential puts the class in place of the trigger, but the captions of"
            f" {len(lacking)} of {len(data.pictures)} pictures lack one ({lacking[0].id}:"
            f" {lacking[0].caption[:80]!r}); set filter_tags.trigger, or train.preservation to prior"
        )


def _names_its_trigger(data: EncodedData, picture: Picture) -> bool:
    trigger = picture.trigger
    lines = [line for text in data.texts(picture).values() for line in alternatives(text)]
    return trigger is not None and all(has_words(line, trigger) for line in lines)
