"""Jinja templates of the pages, and their shared style."""

from functools import cache
from pathlib import Path
from typing import Any

STYLE_SHEET = Path(__file__).with_name("look.css")
"""Colours (light and dark) and fonts: `{{ look }}` in a template."""


@cache
def template(path: Path) -> Any:  # jinja2 is imported only to make a page
    """The template in a file; an unknown name in it is an error."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["look"] = Markup(STYLE_SHEET.read_text(encoding="utf-8"))
    return environment.from_string(path.read_text(encoding="utf-8"))
