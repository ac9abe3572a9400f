"""The pages: shells in HTML; their scripts ask for the data."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

from pipeline.workbench.routes.files import GUARD, report_names

PAGES = Path(__file__).parents[1] / "pages"
PLACES = (("/data", "Pictures"), ("/crop", "Crops"), ("/gate", "Faults"), ("/run", "Run"), ("/grid", "Grid"))
"""Of the navigation: address and name."""
REPORT_PAGES = (
    ("index.html", "Report"), ("dataset/index.html", "Dataset"), ("sample-grid/index.html", "Grid page"),
    ("crop/index.html", "Crop sheet"), ("comparison/index.html", "Comparison"),
)  # fmt: skip


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(request: web.Request, name: str) -> web.Response:
    guard, there = request.app[GUARD], report_names()
    reports = [(f"/reports/{guard.ticket}/{file}", title) for file, title in REPORT_PAGES if file in there]
    text = (
        _environment()
        .get_template(f"{name}.html.j2")
        .render(place=f"/{name}", places=PLACES, reports=reports, branch=branch(), read_only=guard.read_only)
    )
    return web.Response(text=text, content_type="text/html")


def branch() -> str:
    """Of git; empty outside a repository."""
    command = ["git", "branch", "--show-current"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=5).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


async def home(request: web.Request) -> web.Response:
    return page(request, "home")


async def shell(request: web.Request) -> web.Response:
    """The page of the address."""
    return page(request, request.path.removeprefix("/"))


ROUTES = [web.get("/", home), *(web.get(address, shell) for address, _ in PLACES)]
