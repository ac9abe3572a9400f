"""What an infotext says a picture was drawn with, A1111's own infotexts too."""

import re

from pipeline.errors import UserError, warn
from pipeline.files.json_text import JsonError, parse_json
from pipeline.prompts.infotext import NEGATIVE
from pipeline.prompts.infotext_keys import DRAWN, insist_on_drawable
from pipeline.prompts.infotext_settings import settings_of
from pipeline.prompts.settings import DrawingSettings, PictureJob

_PAIR = re.compile(r'(\w[\w \-/]{1,60}):\s*+("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
"""Names have a length limit, so that a line without names takes time in proportion to its length."""
MOST_INFOTEXT_CHARACTERS = 1_000_000


def parameters_of(text: str) -> dict[str, str]:
    """An infotext's values by A1111's names, as text, with `Prompt` and `Negative prompt`."""
    *lines, last = text.strip().split("\n")
    pairs = _PAIR.findall(last)
    if len(pairs) < 3:
        lines, pairs = [*lines, last], []
    start = next((n for n, line in enumerate(lines) if line.startswith(NEGATIVE.strip())), len(lines))
    negative = "\n".join(lines[start:]).removeprefix(NEGATIVE.strip()).strip()
    settings = {key: _unquoted(value.strip()) for key, value in pairs}
    return {"Prompt": "\n".join(lines[:start]).strip(), "Negative prompt": negative, **settings}


def _unquoted(value: str) -> str:
    """As A1111 does: a quoted value that is not JSON stays as it is."""
    if not value.startswith('"'):
        return value
    try:
        return str(parse_json(value))
    except JsonError:
        return value


def parse_infotext(text: str) -> tuple[PictureJob, DrawingSettings]:
    """Reads a picture's prompt, seed and settings, also from A1111's infotexts. Raises UserError if a setting
    is missing, unreadable or would change the picture, and warns of ignored settings (infotext_keys.py).
    `batch` is not part of an infotext (it becomes 1); an upscaler network is only named, not searched for.
    """
    if len(text) > MOST_INFOTEXT_CHARACTERS:
        raise UserError(
            f"the infotext has {len(text)} characters, more than any tool writes; give one picture's infotext"
        )
    values = parameters_of(text)
    absent = [key for key in ("Steps", "Sampler", "CFG scale", "Seed", "Size") if key not in values]
    absent += ["Denoising strength"] * ("Hires upscale" in values and "Denoising strength" not in values)
    if absent:
        raise UserError(f"the infotext lacks {', '.join(absent)}; it must end in a line of settings")
    _insist_on_whole_line(text)
    seed, settings = settings_of(values)
    insist_on_drawable(values)
    return PictureJob(values["Prompt"], seed), settings


def _insist_on_whole_line(text: str) -> None:
    """Raises UserError if a setting has two values; warns of text that is not a setting."""
    last = text.strip().split("\n")[-1]
    values: dict[str, set[str]] = {}
    for key, value in _PAIR.findall(last):
        values.setdefault(key, set()).add(value.strip())
    if twice := [key for key in DRAWN if len(values.get(key, ())) > 1]:
        raise UserError(f"the infotext has two values for {', '.join(twice)}; remove one")
    if rest := _PAIR.sub("", last).strip(" ,"):
        warn(f"the infotext's last line holds {rest[:60]!r}, which is not a setting and is ignored")
