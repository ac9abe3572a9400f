"""Jinja templates of the pages."""

from functools import cache
from pathlib import Path
from typing import Any


@cache
def template(path: Path) -> Any:  # jinja2 is imported when a page is made
    """The template of a file; an unknown name in it is an error."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(path.read_text(encoding="utf-8"))
