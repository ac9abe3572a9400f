"""Rules across tag, filter_tags, sample_grid and training's captions."""

from pipeline.errors import nearest
from pipeline.schemas import Config, FilterTagsConfig, TagConfig, TrainConfig
from pipeline.schemas.tag import USUAL_KIND
from pipeline.texts.separators import separators_of

SEPARATORS = ("caption_separator", "keep_tokens_separator", "secondary_separator")


def caption_contradictions(config: Config) -> list[str]:
    """Settings that contradict each other."""
    return [
        *_tag_contradictions(config.tag),
        *_captioner_contradictions(config.tag),
        *_unknown_kinds(config),
        *_split_triggers(config.filter_tags),
        *_other_separators(config),
    ]


def _split_triggers(filtered: FilterTagsConfig) -> list[str]:
    trigger = filtered.trigger
    words = trigger.values() if isinstance(trigger, dict) else filter(None, [trigger])
    separators = separators_of(filtered)
    return [
        f"filter_tags.trigger {word!r} contains the tag separator {separators.mark!r}, so shuffling and"
        " train.keep_tokens would split it; write it without the separator"
        for word in words
        if separators.names(word) != [word.strip()] or "\n" in word
    ]


def _other_separators(config: Config) -> list[str]:
    """Captions written with separators other than training's."""
    groups = (("collect", config.collect), ("filter_tags", config.filter_tags))
    return [
        f"{group}.{key} is {getattr(values, key)!r}, but train.{key} is {getattr(config.train, key)!r};"
        f" remove {group}.{key}: it follows train.{key}"
        for group, values in groups
        for key in SEPARATORS
        if hasattr(values, key) and getattr(values, key) != getattr(config.train, key)
    ]


def _tag_contradictions(tag: TagConfig) -> list[str]:
    problems = []
    models, hashes = tag.model, tag.sha256
    paired = not isinstance(hashes, list) or (isinstance(models, list) and len(models) == len(hashes))
    if not paired or (isinstance(models, list) and isinstance(hashes, str)):
        problems.append(
            "tag.sha256 must list a hash, or null, for each model of tag.model, in the same order"
        )
    if tag.min_length > tag.max_length:
        problems.append(f"tag.min_length {tag.min_length} is above tag.max_length {tag.max_length}; lower it")
    return problems


def _captioner_contradictions(tag: TagConfig) -> list[str]:
    if tag.captioner is None:
        return []
    known = sorted(tag.captioner_prompts)
    problems = [
        f"tag.captioner_kinds.{kind} is {name!r}, but tag.captioner_prompts has no such prompt;"
        f" {nearest(name, known)}"
        for kind, name in sorted(tag.captioner_kinds.items())
        if name not in known
    ]
    if not tag.captioner_kinds:
        problems.append("tag.captioner_kinds is empty, so tag.captioner would write nothing; name a kind")
    if USUAL_KIND in tag.captioner_kinds:
        problems.append(
            f"tag.captioner_kinds: the kind {USUAL_KIND} is always the caption made of tags; give the"
            " captioner's text another name"
        )
    return problems


def _unknown_kinds(config: Config) -> list[str]:
    """Kinds that captions or training use and nobody writes."""
    texts = sorted(config.tag.captioner_kinds if config.tag.captioner else ())
    written, joined = {USUAL_KIND, *texts}, config.filter_tags.sentence_kind
    unknown = [] if joined is None or joined in texts else [joined]
    return [
        f"filter_tags.sentence_kind {kind}: tag.captioner writes {', '.join(texts) or 'nothing'}; name a kind"
        " of tag.captioner_kinds, or null"
        for kind in unknown
    ] + [
        f"train.caption_kinds.{kind}: no caption is of this kind; {nearest(kind, sorted(written))}; let"
        " tag.captioner write it (tag.captioner_kinds), or remove it"
        for kind in sorted(config.train.caption_kinds.keys() - written)
    ]


def caption_doubts(config: Config) -> list[str]:
    """Settings that have no effect, or are rarely meant."""
    doubts, filtered, tag = [], config.filter_tags, config.tag
    shown = {*config.train.caption_kinds, filtered.sentence_kind} - {USUAL_KIND, None}
    if tag.captioner is not None and not shown:
        doubts.append(
            f"tag.captioner writes {', '.join(sorted(tag.captioner_kinds))}, which training does not show;"
            " set train.caption_kinds, for example {tags: 3, sentence: 1}"
        )
    if config.tag.model is None and config.sample_grid.subject_tags:
        doubts.append("sample_grid.subject_tags has no effect: tag.model is null, so nothing is scored")
    if filtered.keep and not (filtered.identity_lists or filtered.identity_share):
        doubts.append("filter_tags.keep has no effect: identity_lists is empty and identity_share null")
    if filtered.escape and not config.train.weighted_captions:
        doubts.append(
            "filter_tags.escape is for other trainers: training here learns the backslashes;"
            " use it only with --export, or with train.weighted_captions"
        )
    return doubts + _weight_doubts(config.train, filtered)


def _weight_doubts(train: TrainConfig, filtered: FilterTagsConfig) -> list[str]:
    if train.weighted_captions and not filtered.escape:
        return [
            "train.weighted_captions reads brackets as weights, also in tags like `mario (game)`, because"
            " filter_tags.escape is false; set it to true"
        ]
    return []
