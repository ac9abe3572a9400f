"""conf/params.schema.json: lets an editor complete and check params.yaml."""

import json
from typing import Any

from pipeline.config.by_family import BY_FAMILY
from pipeline.config.compose import CONF, groups, options
from pipeline.config.explain import comments_of
from pipeline.schemas import Config, schemas_of

SCHEMA_FILE = CONF / "params.schema.json"


def json_schema() -> str:
    """The schemas with every key optional (conf/ has the defaults), conf/'s comments as descriptions, and
    `use` with its options.
    """
    schema = Config.model_json_schema()
    for name, definition in schema["$defs"].items():
        definition.pop("required", None)
        definition["description"] = f"See conf/{_group_of(name)}/."
        for key, entry in definition["properties"].items():
            entry.pop("title", None)
            if f"{_group_of(name)}.{key}" in BY_FAMILY:
                _allow_null(entry)
            if text := _comment(_group_of(name), key):
                entry["description"] = text
    schema.pop("required")
    schema["title"], schema["description"] = (
        "params.yaml",
        "What a run uses: option files of conf/, and values that override theirs.",
    )
    schema["properties"] = {"use": _use(), **schema["properties"]}
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def _allow_null(entry: dict[str, Any]) -> None:
    kind = dict(entry)
    entry.clear()
    entry["anyOf"] = [kind, {"type": "null"}]


def _use() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "description": "Which option file of each group of conf/ this run uses.",
        "properties": {group: {"enum": options(group)} for group in groups() if options(group)},
    }


def _group_of(class_name: str) -> str:
    return next(
        name for name in Config.model_fields if class_name in [each.__name__ for each in schemas_of(name)]
    )


def _comment(group: str, key: str) -> str | None:
    """A key's comment in conf/; options that build on no other come first, because theirs are general."""
    files = [CONF / group / f"{option}.yaml" for option in options(group)]
    files.sort(key=lambda file: "\ndefaults:" in file.read_text(encoding="utf-8"))
    comments = (comments_of(file).get(f"{group}.{key}") for file in files)
    return next(filter(None, comments), None)
