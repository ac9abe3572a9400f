"""The pages: shells in HTML; their scripts ask for the data."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

from pipeline.workbench.routes.files import GUARD, report_names, static_files
from pipeline.workbench.top import branch

PAGES = Path(__file__).parents[1] / "pages"
PLACES = (("/data", "Pictures"), ("/crop", "Crops"), ("/gate", "Faults"), ("/run", "Run"), ("/grid", "Grid"))
"""Of the navigation: address and name."""
SCRIPTS = {"grid": "compare.js"}
"""Of the pages whose script has another name."""
IMPORT = re.compile(r'^import [^"]*"\./([a-z-]+\.js)"', re.MULTILINE)
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


@cache
def modules_of(script: str) -> list[str]:
    """Every script that this one imports, so that the browser asks for all of them at once."""
    found, waiting = list[str](), [script]
    while waiting:
        text = static_files()[waiting.pop()].decode()
        new = [name for name in IMPORT.findall(text) if name not in found]
        found, waiting = [*found, *new], [*waiting, *new]
    return found


def page(request: web.Request, name: str) -> web.Response:
    guard, there = request.app[GUARD], report_names()
    reports = [(f"/reports/{guard.ticket}/{file}", title) for file, title in REPORT_PAGES if file in there]
    text = (
        _environment()
        .get_template(f"{name}.html.j2")
        .render(
            place=f"/{name}",
            places=PLACES,
            reports=reports,
            branch=branch(),
            read_only=guard.read_only,
            modules=modules_of(SCRIPTS.get(name, f"{name}.js")),
        )
    )
    return web.Response(text=text, content_type="text/html")


async def home(request: web.Request) -> web.Response:
    return page(request, "home")


async def shell(request: web.Request) -> web.Response:
    """The page of the address."""
    return page(request, request.path.removeprefix("/"))


ROUTES = [web.get("/", home), *(web.get(address, shell) for address, _ in PLACES)]
