"""What an infotext says a picture was drawn with, A1111's own infotexts too."""

import re

from pipeline.errors import UserError, warn
from pipeline.files.json_text import JsonError, parse_json
from pipeline.prompts.infotext import NEGATIVE
from pipeline.prompts.infotext_keys import DRAWN, insist_on_drawable
from pipeline.prompts.infotext_settings import settings_of
from pipeline.prompts.settings import Job, Settings

_PAIR = re.compile(r'(\w[\w \-/]{1,60}):\s*+("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
"""A name has a bound, so that a line without names takes time in proportion to its length."""
MOST_TEXT = 1_000_000


def parameters_of(text: str) -> dict[str, str]:
    """An infotext's values by A1111's names, as text; `Prompt` and `Negative prompt` among them."""
    *lines, last = text.strip().split("\n")
    pairs = _PAIR.findall(last)
    if len(pairs) < 3:
        lines, pairs = [*lines, last], []
    start = next((n for n, line in enumerate(lines) if line.startswith(NEGATIVE.strip())), len(lines))
    negative = "\n".join(lines[start:]).removeprefix(NEGATIVE.strip()).strip()
    found = {key: _unquoted(value.strip()) for key, value in pairs}
    return {"Prompt": "\n".join(lines[:start]).strip(), "Negative prompt": negative, **found}


def _unquoted(value: str) -> str:
    """As A1111: what is no JSON in spite of its quotes is taken as it stands."""
    if not value.startswith('"'):
        return value
    try:
        return str(parse_json(value))
    except JsonError:
        return value


def parse_infotext(text: str) -> tuple[Job, Settings]:
    """The picture and its settings again, A1111's own infotexts too; raises UserError where a setting is
    missing, unreadable or would make another picture, and warns of those that are left out
    (infotext_keys.py). `batch` is no part of a picture (it is 1); an upscaler network is named, not found.
    """
    if len(text) > MOST_TEXT:
        raise UserError(f"the infotext has {len(text)} characters, more than any tool writes")
    values = parameters_of(text)
    absent = [key for key in ("Steps", "Sampler", "CFG scale", "Seed", "Size") if key not in values]
    absent += ["Denoising strength"] * ("Hires upscale" in values and "Denoising strength" not in values)
    if absent:
        raise UserError(f"the infotext lacks {', '.join(absent)}; it must end in a line of settings")
    _insist_on_whole_line(text)
    seed, settings = settings_of(values)
    insist_on_drawable(values)
    return Job(values["Prompt"], seed), settings


def _insist_on_whole_line(text: str) -> None:
    """Nothing in the line of settings is passed over, and no setting has two values."""
    last = text.strip().split("\n")[-1]
    values: dict[str, set[str]] = {}
    for key, value in _PAIR.findall(last):
        values.setdefault(key, set()).add(value.strip())
    if twice := [key for key in DRAWN if len(values.get(key, ())) > 1]:
        raise UserError(f"the infotext names {', '.join(twice)} twice, with two values; take one out")
    if rest := _PAIR.sub("", last).strip(" ,"):
        warn(f"the infotext's last line holds {rest[:60]!r}, which is no setting; it is left out")
