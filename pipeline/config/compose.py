"""conf/ + params.yaml + overrides -> one dictionary of plain values.

`use:` in params.yaml picks an option file of each group (Hydra composes them); the values below it replace
single ones. Command line overrides use Hydra's grammar (`network.dim=8`, `network=lora`) and replace
params.yaml's values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.config.by_family import fill
from pipeline.config.following import ConfigValues, follow
from pipeline.errors import UserError, nearest
from pipeline.files.text_file import SETTINGS_FILE
from pipeline.files.yaml_text import UNREADABLE_YAML, text_of
from pipeline.schemas import Config, schemas_of

CONF = Path("conf")
PARAMS = Path("params.yaml")
EXPERIMENT, MEMORY = "experiment", "memory"
PRESET_GROUPS = (MEMORY, EXPERIMENT)
"""Groups whose options set values of other groups; where both set one, the first wins."""
FIT = "fit"
"""No option of the group memory, but what people type for one."""
MOST_NAMED = 20
"""Unknown keys that errors name one by one."""


@dataclass(frozen=True)
class Params:
    """params.yaml: the option of each group, and single values by dotted key; `overridden`: groups and keys
    set on the command line.
    """

    use: dict[str, str]
    values: ConfigValues
    overridden: frozenset[str] = frozenset()

    def place(self, name: str) -> str:
        """Where the user wrote the group or key."""
        return "command line" if name in self.overridden else str(PARAMS)


def groups() -> list[str]:
    """Groups of conf/, the presets' among them."""
    return sorted(folder.name for folder in CONF.iterdir() if folder.is_dir())


def options(group: str) -> list[str]:
    """Option names of a group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def read_params(path: Path = PARAMS) -> Params:
    """Reads and splits params.yaml; unreadable YAML and a misshapen `use` are user errors."""
    if not path.exists():
        raise UserError(
            f"{path} is missing here; run this in the project's root, or"
            f" restore it with `git checkout -- {path}`"
        )
    try:
        content = OmegaConf.to_container(
            OmegaConf.load(StringIO(text_of(path, SETTINGS_FILE))), resolve=False
        )
    except (*UNREADABLE_YAML, OmegaConfBaseException, OSError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(f"{path} is not readable YAML: {reason}; correct it") from error
    if not isinstance(content, dict):
        raise UserError(
            f"{path} must hold keys and values (`use:`, `network:` ...), found {type(content).__name__}"
        )
    use = content.pop("use", None) or {}
    if not isinstance(use, dict):
        raise UserError(
            f"{path}: `use` must name an option for each group (`use: {{base: tiny}}`), found"
            f" {repr(use)[:60]}"
        )
    return Params(
        {str(k): str(v) for k, v in use.items() if v is not None},
        flatten({str(k): v for k, v in content.items()}),
    )


@cache
def mappings() -> frozenset[str]:
    """Dotted keys whose value may be a mapping with the user's own names: replaced as a whole."""
    return frozenset(
        f"{group}.{key}"
        for group in Config.model_fields
        for schema in schemas_of(group)
        for key, inner in schema.model_fields.items()
        if any(map(_has_free_names, (inner.annotation, *get_args(inner.annotation))))
    )


def _has_free_names(annotation: Any) -> bool:
    """A dict whose keys are not a fixed list of words."""
    return get_origin(annotation) is dict and get_origin(get_args(annotation)[0]) is not Literal


def flatten(values: ConfigValues, prefix: str = "") -> ConfigValues:
    """{'network': {'dim': 8}} -> {'network.dim': 8}; the keys in `mappings` stay whole."""
    flat: ConfigValues = {}
    for key, value in values.items():
        if isinstance(value, dict) and value and f"{prefix}{key}" not in mappings():
            flat |= flatten({str(k): v for k, v in value.items()}, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def with_overrides(params: Params, overrides: Sequence[str]) -> Params:
    """Folds overrides in Hydra's grammar into params."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    use, values = dict[str, str](), ConfigValues()
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException as error:
            raise UserError(
                f"{text!r} is not an override; write KEY=VALUE (`network.dim=8`), lists as `[1,2]`"
            ) from error
        if override.is_sweep_override():
            raise UserError(f"{text!r} has several values; one run takes one value")
        key, value = override.key_or_group, override.value()
        if key in groups():
            use[key] = str(value)
        elif key.startswith("use."):
            use[key.removeprefix("use.")] = str(value)
        else:
            values |= flatten({key: value})
    overridden = params.overridden | use.keys() | values.keys()
    return Params({**params.use, **use}, {**params.values, **values}, overridden)


def compose(params: Params) -> ConfigValues:
    """The composed configuration, unchecked. Raises UserError with all unknown groups, options and keys."""
    values, unknown = compose_known(params)
    if unknown:
        raise UserError(*unknown)
    return values


def compose_known(params: Params) -> tuple[ConfigValues, list[str]]:
    """The configuration from the known names in `params`, and a sentence for each unknown one."""
    problems = {group: _unknown_use(group, params) for group in params.use}
    config = _hydra({group: option for group, option in params.use.items() if not problems[group]})
    known = flatten(config)
    strange = [key for key in params.values if key not in known]
    unknown = [_unknown_key(key, known, params) for key in strange[:MOST_NAMED]]
    if len(strange) > MOST_NAMED:
        unknown.append(f"{len(strange) - MOST_NAMED} more keys are not settings either; remove them")
    for key in params.values.keys() & known.keys():
        *parents, leaf = key.split(".")
        target = config
        for parent in parents:
            target = target[parent]
        target[leaf] = params.values[key]
    follow(config, params.values.keys())
    fill(config)
    return config, [*filter(None, problems.values()), *unknown]


def _hydra(use: dict[str, str]) -> ConfigValues:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    overrides = [f"{group}={option}" for group, option in sorted(use.items())]
    with initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
        content = OmegaConf.to_container(hydra_compose("config", overrides=overrides), resolve=False)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def _unknown_use(group: str, params: Params) -> str | None:
    place, option = params.place(group), params.use[group]
    if group not in groups():
        return f"{place}: use.{group} is not a group of {CONF}/; {nearest(group, groups())}"
    if (group, option) == (MEMORY, FIT):
        return (
            f"{place}: use.{MEMORY}: {FIT} would make a run depend on the computer; `python -m pipeline.fit`"
            f" asks its card and writes the preset's name here ({', '.join(options(MEMORY))})"
        )
    if option not in options(group):
        return (
            f"{place}: use.{group}: {option!r} is not an option of"
            f" {CONF}/{group}/; {nearest(option, options(group))}"
        )
    return None


def _unknown_key(key: str, known: ConfigValues, params: Params) -> str:
    place = params.place(key)
    group, _, rest = key.partition(".")
    if group not in Config.model_fields:
        return f"{place}: {key} is not a setting; {nearest(group, Config.model_fields)}"
    siblings = [name.partition(".")[2] for name in known if name.startswith(f"{group}.")]
    if not rest:
        return (
            f"{place}: {group} is a group; write its keys below it"
            f" ({', '.join(sorted(siblings))}), or `use: {{{group}: ...}}`"
        )
    return f"{place}: {key} is not a setting of the chosen {group}; {nearest(rest, siblings)}"
