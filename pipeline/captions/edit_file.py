"""data/tag_edits.yaml, the manual edits: strict reading."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.captions.edits import Edit
from pipeline.errors import UserError, nearest
from pipeline.files.text_file import MANUAL_EDITS, read_text
from pipeline.files.yaml_text import insist_on_bounds
from pipeline.schemas.tag import USUAL_KIND

EDITS = Path("data/tag_edits.yaml")
EDIT_KEYS = ("replace", "remove", "add", "set", "captions")


def read_edits(path: Path = EDITS) -> list[Edit]:
    """The file's entries in its order; none without a file. One user error lists every mistake in it."""
    return edits_of(read_text(path, MANUAL_EDITS), path) if path.exists() else []


def edits_of(text: str, path: Path = EDITS) -> list[Edit]:
    """As `read_edits`, of the file's text."""
    insist_on_bounds(text, str(path), MANUAL_EDITS)
    content = _load(text, path)
    if content in (None, "", {}):
        return []
    if not isinstance(content, dict):
        raise UserError(f"{path} must list picture ids with edits below each, found {repr(content)[:60]}")
    faults = (fault for name, entry in content.items() for fault in edit_faults(name, entry))
    if problems := [f"{path}: {fault}" for fault in faults]:
        raise UserError(*problems)
    return [edit_of(target, entry) for target, entry in content.items()]


def _load(text: str, path: Path) -> Any:
    """Every scalar as its text: `3_3`, `1` and `yes` are tags, not numbers or booleans."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="base").load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not readable YAML: {' '.join(str(error).split())}") from error
    _insist_on_text_keys(content, path)
    return content


def _insist_on_text_keys(content: Any, path: Path) -> None:
    """Raises UserError if a list is a key, at any depth."""
    rest = [content]
    while rest:
        each = rest.pop()
        if isinstance(each, dict):
            if wrong := [key for key in each if not isinstance(key, str)]:
                raise UserError(
                    f"{path}: a name must be a text, found the list {repr(list(wrong[0]))[:60]}; put a"
                    " name that has brackets in quotes"
                )
            rest += each.values()
        elif isinstance(each, list):
            rest += each


def edit_faults(name: str, entry: Any) -> list[str]:
    """What is wrong with an entry."""
    if not isinstance(entry, dict) or not entry:
        return [f"{name} needs one of {', '.join(EDIT_KEYS)} below it, found {repr(entry)[:60]}"]
    faults = [
        f"{name}.{key} is not an edit; {nearest(key, EDIT_KEYS)}" for key in entry if key not in EDIT_KEYS
    ]
    if "set" in entry and entry.keys() - {"set", "captions"}:
        faults.append(f"{name}: `set` is the whole caption; remove the other keys")
    if "set" in entry and not isinstance(entry["set"], str):
        faults.append(f"{name}.set must be one text, found {repr(entry['set'])[:60]}; put it in quotes")
    for key in ("add", "remove"):
        if key in entry and not _is_tags(entry[key]):
            faults.append(f"{name}.{key} must be a list of tags, found {repr(entry[key])[:60]}")
    replace = entry.get("replace", {})
    if not isinstance(replace, dict) or not all(_is_tags(new, least=0) for new in replace.values()):
        faults.append(f"{name}.replace must be {{tag: other}}, found {repr(replace)[:60]}")
    captions = entry.get("captions", {})
    texts = captions.values() if isinstance(captions, dict) else [None]
    if not all(isinstance(text, str) and text for text in texts):
        faults.append(f"{name}.captions must be {{kind: text}}, found {repr(captions)[:60]}")
    elif USUAL_KIND in captions:
        faults.append(f"{name}.captions.{USUAL_KIND}: this caption is `set`, or changed by the other keys")
    return faults


def _is_tags(value: Any, least: int = 1) -> bool:
    """A tag, or a list of at least `least` tags."""
    tags = [value] if isinstance(value, str) else value
    return isinstance(tags, list) and len(tags) >= least and all(isinstance(t, str) and t for t in tags)


def edit_of(target: str, entry: Mapping[str, Any]) -> Edit:
    """A valid entry."""
    return Edit(
        target,
        add=_tags(entry.get("add", [])),
        remove=_tags(entry.get("remove", [])),
        replace={old: _tags(new) for old, new in entry.get("replace", {}).items()},
        set=entry.get("set"),
        captions=dict(entry.get("captions", {})),
    )


def _tags(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
