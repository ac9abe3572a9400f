"""A params.yaml for the user's own pictures, from a few answers, on top of a preset."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.check import resolve
from pipeline.config.compose import CONF, EXPERIMENT, Params, flatten, options, read_params
from pipeline.errors import UserError
from pipeline.files.atomic import write_bytes

RUN_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
DEMO = "demo/"
OWN_FILES = ("file", "folder")
"""Options of the group base for a base of the user's own."""
CHECKPOINTS = (".safetensors", ".ckpt")
NO_TAGGER = "none"
WITH_CLASS = ("person", "dreambooth")
PROMPTS_BY_AIM = {
    "style": ["{}, 1girl, portrait", "{}, landscape, outdoors"],
    "person": ["photo of {}, portrait", "photo of {}, full body, outdoors"],
}
USUAL_PROMPTS = ["{}, 1girl, portrait", "{}, 1girl, full body, outdoors"]
HEAD = """\
# yaml-language-server: $schema=conf/params.schema.json
# {name}: {kind}, with the values of {preset}. Lines below override them;
# `python -m pipeline.config explain train` prints what each key means and where its value comes from.
"""


def base_options() -> list[str]:
    """Names of known bases, each an option of the group base."""
    return [name for name in options("base") if name not in OWN_FILES]


def content(name: str, given: Mapping[str, str], noun: str | None) -> dict[str, Any]:
    """params.yaml as nested values, without the preset's own."""
    kind, trigger = given["kind"], given["trigger"]
    made: dict[str, Any] = {
        "use": {"base": "sd15", "experiment": kind},
        "collect": {"source": given["pictures"]},
    }
    _choose_base(made, given["base"])
    _choose_tagger(made, given["tagger"])
    made["filter_tags"] = {"trigger": trigger}
    if kind in WITH_CLASS and noun:
        made["class_images"] = {"prompt": noun, **made.get("class_images", {})}
    if kind == "embedding":
        made["network"] = {"words": [trigger]}
    made["train"] = {"name": trigger if kind == "embedding" else name}
    prompts = [each.format(trigger) for each in PROMPTS_BY_AIM.get(kind, USUAL_PROMPTS)]
    made["sample_grid"] = {"prompts": prompts, **made.get("sample_grid", {})}
    return made


def _choose_base(made: dict[str, Any], base: str) -> None:
    if base in base_options():
        made["use"]["base"] = base
    else:
        made["use"]["base"] = "file" if Path(base).suffix in CHECKPOINTS else "folder"
        made["base"] = {"path": base}


def _choose_tagger(made: dict[str, Any], tagger: str) -> None:
    if tagger == NO_TAGGER:
        made["use"]["tag"] = NO_TAGGER
    else:
        made["tag"] = {"model": tagger}


def params_text(name: str, given: Mapping[str, str], noun: str | None) -> str:
    """The file's text, checked. Raises UserError for a wrong answer."""
    made = content(name, given, noun)
    use = {str(group): str(option) for group, option in made["use"].items()}
    resolve(Params(use, flatten({group: value for group, value in made.items() if group != "use"})))
    head = HEAD.format(name=name, kind=given["kind"], preset=f"{CONF}/{EXPERIMENT}/{given['kind']}.yaml")
    return head + yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=110)


def keep(path: Path, old: bytes) -> Path:
    """Saves the old params.yaml, byte for byte, under a name that overwrites no other file."""
    kept = _kept_as(path, old)
    write_bytes(kept, old)
    return kept


def _kept_as(path: Path, old: bytes) -> Path:
    name = _name(path)
    names = [f"{path.stem}.{each}.yaml" for each in (name, *(f"{name}-{n}" for n in range(2, 1000)))]
    places = map(path.with_name, names)
    return next(each for each in places if not os.path.lexists(each) or _holds(each, old))


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _name(path: Path) -> str:
    """A name for the params.yaml: `demo`, or its train.name."""
    try:
        values = read_params(path).values
    except UserError:  # not YAML, or not a mapping: saved all the same
        return "before"
    if str(values.get("collect.source", "")).startswith(DEMO):
        return "demo"
    name = str(values.get("train.name", "before"))
    return name if RUN_NAME.fullmatch(name) else "before"
