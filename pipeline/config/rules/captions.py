"""What the settings of tag, filter_tags and sample_grid demand of each other."""

from pipeline.config.schemas import Config, Tag


def caption_contradictions(tag: Tag) -> list[str]:
    """Pairs of settings that cannot hold together."""
    problems = []
    models, hashes = tag.model, tag.sha256
    paired = not isinstance(hashes, list) or (isinstance(models, list) and len(models) == len(hashes))
    if not paired or (isinstance(models, list) and isinstance(hashes, str)):
        problems.append("tag.sha256 must hold a hash, or null, for each of tag.model: as many, in its order")
    if tag.min_length > tag.max_length:
        problems.append(
            f"tag.min_length {tag.min_length} is above tag.max_length {tag.max_length}; make it smaller"
        )
    return problems


def caption_doubts(config: Config) -> list[str]:
    """Settings that change nothing, or are seldom meant."""
    found, filtered = [], config.filter_tags
    if config.tag.model is None and config.sample_grid.subject_tags:
        found.append("sample_grid.subject_tags has no effect: tag.model is null, so nothing is scored")
    if filtered.keep and not (filtered.identity_lists or filtered.identity_share):
        found.append("filter_tags.keep has no effect: identity_lists is empty and identity_share null")
    if filtered.escape:
        found.append(
            "filter_tags.escape is for other trainers: training here learns the backslashes;"
            " use it with --export alone"
        )
    return found
