"""Rules across tag, filter_tags, sample_grid and training's captions."""

from pipeline.schemas import Config, FilterTagsConfig, TagConfig, TrainConfig
from pipeline.texts.separators import separators_of

SEPARATORS = ("caption_separator", "keep_tokens_separator", "secondary_separator")


def caption_contradictions(config: Config) -> list[str]:
    """Settings that contradict each other."""
    return [
        *_tag_contradictions(config.tag),
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


def caption_doubts(config: Config) -> list[str]:
    """Settings that have no effect, or are rarely meant."""
    doubts, filtered = [], config.filter_tags
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
