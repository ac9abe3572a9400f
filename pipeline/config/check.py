"""A composed configuration -> the frozen Config, or every mistake in it at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.network_rules import network_contradictions, network_doubts
from pipeline.config.schemas import Collect, Config, Tag, schemas_of
from pipeline.config.schemas.collect import FATAL
from pipeline.errors import UserError, nearest

if TYPE_CHECKING:
    from pipeline.config.compose import Params, Values

MARKS = ("constrained", "literal[", "list[", "dict[", "function-")
"""pydantic's names for the branches of a union, in an error's place."""


def resolve(params: "Params") -> "Values":
    """The composed and checked configuration as plain values; every mistake in `params` at once."""
    from pipeline.config.compose import compose_known  # a stage in the graph composes nothing

    values, unknown = compose_known(params)
    check(values, unknown)
    return values


def check(values: "Values", unknown: Sequence[str] = ()) -> Config:
    """Types, ranges, unknown and missing keys; then what settings demand of each other. `unknown`: problems
    found before, to be told together with those found here.
    """
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        wrong = dict.fromkeys(_sentence(details) for details in error.errors())
        raise UserError(*unknown, *wrong) from None
    if unknown:
        raise UserError(*unknown)
    if found := contradictions(config):
        raise UserError(*found)
    return config


def contradictions(config: Config) -> list[str]:
    """Pairs of settings that cannot hold together."""
    problems = network_contradictions(config.network, config.train)
    if config.class_images.count and not config.class_images.prompt:
        problems.append(
            f"class_images.count is {config.class_images.count}, but"
            " class_images.prompt is empty; give the class (`1girl`, `dog`)"
        )
    if config.class_images.count and config.class_images.resolution != config.crop.resolution:
        problems.append(
            f"class_images.resolution {config.class_images.resolution} differs"
            f" from crop.resolution {config.crop.resolution};"
            " one batch holds both, make them equal"
        )
    crop = config.crop
    if crop.shape == "buckets" and not crop.bucket_min_px <= crop.resolution <= crop.bucket_max_px:
        problems.append(
            f"crop.resolution {crop.resolution} lies outside crop.bucket_min_px {crop.bucket_min_px} and"
            f" crop.bucket_max_px {crop.bucket_max_px}; half and twice the resolution are usual"
        )
    problems += [
        f"collect.checks.{check}: {level} is not allowed: there would be no picture; `error` or `drop`"
        for check, level in config.collect.checks.items()
        if check in FATAL and level not in ("error", "drop")
    ]
    return problems + _tag_contradictions(config.tag)


def _tag_contradictions(tag: Tag) -> list[str]:
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


def doubtful(config: Config) -> list[str]:
    """Settings that change nothing beside the others, or are seldom meant."""
    found = []
    if config.crop.mirror:
        found.append(
            "crop.mirror is on: what is not symmetric (odd-coloured eyes, a parting, text) is learned both"
            " ways; leave it off for such a character"
        )
    if config.crop.enlarge is False and config.crop.shape != "buckets":
        found.append(f"crop.enlarge has no effect: crop.shape is {config.crop.shape}")
    found += network_doubts(config.network, config.optimizer)
    if not config.train.shuffle_tags and config.train.keep_tokens:
        found.append("train.keep_tokens has no effect: train.shuffle_tags is false")
    if config.tag.model is None and config.sample_grid.subject_tags:
        found.append("sample_grid.subject_tags has no effect: tag.model is null, so nothing is scored")
    if config.filter_tags.keep and not (
        config.filter_tags.identity_lists or config.filter_tags.identity_share
    ):
        found.append("filter_tags.keep has no effect: identity_lists is empty and identity_share null")
    if config.filter_tags.escape:
        found.append(
            "filter_tags.escape is for other trainers: training here learns the backslashes;"
            " use it with --export alone"
        )
    if config.merge.recipe is not None and config.merge.alpha != 1:
        found.append("merge.alpha has no effect: merge.recipe says what is merged, and how strongly")
    if config.merge.recipe is not None and config.base.vae:
        found.append("base.vae has no effect on merge.recipe: add a step replace_vae to the recipe")
    if config.train.save_every_epochs > config.train.epochs:
        found.append(
            f"train.save_every_epochs {config.train.save_every_epochs} is above"
            f" train.epochs {config.train.epochs}: only the last is saved"
        )
    found += _collect_without_effect(config.collect)
    return found


def _collect_without_effect(collect: Collect) -> list[str]:
    values = (collect.source, collect.class_source or [])
    sources = [path for value in values for path in ([value] if isinstance(value, str) else value)]
    if collect.downloader != "direct" and not any(path.lower().endswith(".txt") for path in sources):
        return [f"collect.downloader {collect.downloader} has no effect: no source is a .txt of URLs"]
    return []


def _sentence(details: ErrorDetails) -> str:
    group, *inner = (str(part) for part in details["loc"])
    if inner and inner[0] in _family_names(group):
        inner = inner[1:]
    path = [group, *(part for part in inner if not part.startswith(MARKS))]
    key = ".".join(part for part in path if part not in ("str", "int", "float", "bool", "none"))
    if details["type"] == "extra_forbidden":
        return f"{key} is no setting of the chosen {group}; {nearest(path[-1], _keys(group))}"
    if details["type"] == "missing":
        return f"{key} is missing; conf/{group}/ must give it a default"
    if details["type"] == "union_tag_invalid":
        name = details["ctx"]["tag"]
        return f"{group}.name: {name!r} is not allowed; {nearest(name, sorted(_family_names(group)))}"
    message = details["msg"].removeprefix("Value error, ")
    return f"{key}: {details['input']!r} is not allowed; {message[0].lower()}{message[1:]}"


def _family_names(group: str) -> set[str]:
    """Values of `name` by which a group's schemas are told apart; pydantic names them in an error's place."""
    schemas = schemas_of(group) if group in Config.model_fields else ()
    if len(schemas) < 2:
        return set()
    return {name for schema in schemas for name in get_args(schema.model_fields["name"].annotation)}


def _keys(group: str) -> list[str]:
    schemas = schemas_of(group) if group in Config.model_fields else ()
    return sorted({key for schema in schemas for key in schema.model_fields} or Config.model_fields)
