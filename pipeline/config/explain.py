"""Where a value comes from and what it means: conf/'s comments, read back."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from pipeline.config.by_family import BY_FAMILY, family_values
from pipeline.config.compose import (
    CONF,
    PARAMS,
    PRESET_GROUPS,
    Params,
    compose,
    flatten,
    read_params,
    with_overrides,
)
from pipeline.errors import UserError, nearest
from pipeline.files.yaml_text import read_yaml


@dataclass(frozen=True)
class Explanation:
    """One key's value, where it was set, the default it replaces (None if it is the default), and its
    comment.
    """

    key: str
    value: Any
    origin: str
    default: str | None
    comment: str

    def __str__(self) -> str:
        instead = f" (default: {self.default})" if self.default else ""
        return f"{self.key} = {self.value!r}\n  from {self.origin}{instead}\n  {self.comment}"


def explain(key: str, overrides: Sequence[str] = ()) -> list[Explanation]:
    """Explains one key, or every key of a group. Raises UserError for an unknown key (names the nearest)."""
    filed = read_params()
    params = with_overrides(filed, overrides)
    values = flatten(compose(params))
    keys = [name for name in values if name == key or name.startswith(f"{key}.")]
    if not keys:
        raise UserError(f"{key} is not a setting; {nearest(key, values)}")
    return [_explain(name, values[name], params, filed) for name in keys]


def differences(params: Params) -> dict[str, Any]:
    """How a run differs from the defaults. `use`: rows (group, option, default option, the option's first
    comment) of options that are not the default; `values`: rows of keys that differ from their option's
    value; `params`: both as in params.yaml.
    """
    values = flatten(compose(params))
    preset = {key for path in preset_files(params) for key in of_preset(path)}
    named = [key for key in values if key in {*preset, *params.values}]
    explanations = [_explain(key, values[key], params, params) for key in named]
    chosen = {group: option for group, option in sorted(params.use.items()) if option}
    return {
        "use": [
            {"group": group, "option": option, "default": default, "comment": _purpose(group, option)}
            for group, option in chosen.items()
            if option != (default := _default_option(group))
        ],
        "values": [
            {"key": each.key, "value": each.value, "default": default, "comment": each.comment}
            for each in explanations
            if each.value != (default := _default(each.key, params, values))
        ],
        "params": {"use": chosen, "values": dict(params.values)},
    }


def _default(key: str, params: Params, values: dict[str, Any]) -> Any:
    """A key's value in the chosen option, or the family's. `values`: the composed ones."""
    default = next(keys_of(path)[key] for path in _option_files(key, params) if key in keys_of(path))
    if default is None and key in BY_FAMILY:
        base = {
            name.removeprefix("base."): value for name, value in values.items() if name.startswith("base.")
        }
        return family_values(base)[key]
    return default


def _purpose(group: str, option: str) -> str:
    """The first comment of an option file, up to the first empty line or value."""
    lines = (CONF / group / f"{option}.yaml").read_text(encoding="utf-8").splitlines()
    comment = takewhile(lambda line: line.startswith("#"), lines)
    return " ".join(line.lstrip("# ") for line in comment if not line.startswith("# @package"))


def _explain(key: str, value: Any, params: Params, filed: Params) -> Explanation:
    files = _option_files(key, params)
    default_file = next(path for path in files if key in keys_of(path))
    unset = keys_of(default_file)[key]
    follows_family = unset is None and key in BY_FAMILY
    default = f"{'by the family' if follows_family else repr(unset)} in {default_file}"
    comment = next((text for path in files if (text := comments_of(path).get(key))), "")
    if params.values.get(key, KeyError) != filed.values.get(key, KeyError):
        return Explanation(key, value, "the command line", default, comment)
    if key in params.values:
        return Explanation(key, value, str(PARAMS), default, comment)
    if preset := next((path for path in preset_files(params) if key in of_preset(path)), None):
        return Explanation(key, value, str(preset), default, comment)
    origin = f"the base's family (null in {default_file})" if follows_family else str(default_file)
    return Explanation(key, value, origin, None, comment)


def _option_files(key: str, params: Params) -> list[Path]:
    """The chosen option's file, then the files it builds on; conf/config.yaml for values outside groups."""
    group, dot, _ = key.partition(".")
    if not dot:
        return [CONF / "config.yaml"]
    option = params.use.get(group) or option_of_preset(group, params) or _default_option(group)
    files = [CONF / group / f"{option}.yaml"]
    for path in files:
        files += [
            CONF / group / f"{name}.yaml"
            for name in _content(path).get("defaults", [])
            if isinstance(name, str) and name != "_self_"
        ]
    return files


def preset_files(params: Params) -> list[Path]:
    """Files of the chosen presets; where two set the same, the first wins."""
    named = [CONF / group / f"{params.use.get(group)}.yaml" for group in PRESET_GROUPS]
    return [path for path in named if path.exists()]


def of_preset(path: Path) -> dict[str, Any]:
    """The values that a preset sets, by dotted key."""
    return flatten({key: value for key, value in _content(path).items() if key != "defaults"})


def options_of_preset(path: Path) -> dict[str, str]:
    """The options that a preset chooses, by group."""
    chosen = [entry for entry in _content(path).get("defaults", []) if isinstance(entry, dict)]
    return {key.removeprefix("override /"): str(option) for each in chosen for key, option in each.items()}


def option_of_preset(group: str, params: Params) -> str | None:
    """The group's option in the chosen presets, if one names it."""
    chosen = map(options_of_preset, preset_files(params))
    return next((options[group] for options in chosen if group in options), None)


def _default_option(group: str) -> str:
    entries = _content(CONF / "config.yaml")["defaults"]
    return next(str(entry[group]) for entry in entries if isinstance(entry, dict) and group in entry)


def _content(path: Path) -> dict[str, Any]:
    return read_yaml(path) or {}


def keys_of(path: Path) -> dict[str, Any]:
    """Full dotted keys that a conf file sets."""
    prefix = "" if path.parent == CONF else f"{path.parent.name}."
    return flatten({k: v for k, v in _content(path).items() if k != "defaults"}, prefix)


def comments_of(path: Path) -> dict[str, str]:
    """The comment lines directly above each key, as one text; also of keys indented by two spaces."""
    prefix = "" if path.parent == CONF else f"{path.parent.name}."
    comments, above, parent = {}, list[str](), ""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("#"):
            above.append(text.removeprefix("#").strip())
            continue
        key, colon, _ = text.partition(":")
        indent = len(line) - len(line.lstrip())
        if colon and key.strip() and indent in (0, 2):
            parent = key.strip() if indent == 0 else parent
            name = key.strip() if indent == 0 else f"{parent}.{key.strip()}"
            comments[f"{prefix}{name}"] = " ".join(above)
        above = []
    return comments
