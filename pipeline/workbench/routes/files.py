"""Pictures by hash, the page's own scripts and styles, and the static reports."""

from functools import cache
from pathlib import Path

from aiohttp import web

from pipeline.pictures.reading import PictureError
from pipeline.reports.template import STYLE_SHEET
from pipeline.workbench.answers import BOARD
from pipeline.workbench.guard import Guard
from pipeline.workbench.picture_files import LARGE_SIDE, SHOWN_TYPES, THUMBNAIL_SIDES, PictureFiles
from pipeline.workbench.routes.gate import GATE
from pipeline.workbench.routes.grid import GRID_KEY
from pipeline.workbench.safety import equal, refused

STATIC_FOLDER = Path(__file__).parents[1] / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
REPORTS = Path("reports")
REPORT_TYPES = {**SHOWN_TYPES, ".html": "text/html", ".svg": "image/svg+xml"}
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline';"
    " img-src data: {}"
)
FILES_KEY = web.AppKey("files", PictureFiles)
GUARD = web.AppKey("guard", Guard)
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


@cache
def static_files() -> dict[str, bytes]:
    """By name; nothing else can be asked for."""
    files = {path.name: path.read_bytes() for path in STATIC_FOLDER.iterdir() if path.suffix in TYPES}
    return {**files, STYLE_SHEET.name: STYLE_SHEET.read_bytes()}


async def static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if (data := static_files().get(name)) is None:
        raise web.HTTPNotFound(reason="there is no such file")
    return web.Response(body=data, content_type=TYPES[Path(name).suffix], charset="utf-8")


async def picture(request: web.Request) -> web.StreamResponse:
    digest, kind = request.match_info["digest"], request.match_info["kind"]
    board, gate = request.app[BOARD], request.app[GATE]
    grid = request.app[GRID_KEY]

    def found() -> Path | None:
        return board.newest.files.get(digest) or gate.files.get(digest) or grid.files.get(digest)

    path = found()
    if path is None:
        board.refresh_index()
        gate.refresh()
        grid.refresh()
        path = found()
    if path is None or not path.is_file():
        raise web.HTTPNotFound(reason="no record names such a picture")
    headers = FOREVER if digest in board.newest.files else {}
    if kind == "full" and (suffix := path.suffix.lower()) in SHOWN_TYPES:
        return web.FileResponse(path, headers={**headers, "Content-Type": SHOWN_TYPES[suffix]})
    name = digest if digest in board.newest.files else f"{digest}-{path.stat().st_mtime_ns}"
    side = THUMBNAIL_SIDES.get(kind, LARGE_SIDE)
    try:
        data = await request.app[FILES_KEY].thumbnail(name, path, side)
    except (PictureError, OSError) as error:
        raise web.HTTPUnsupportedMediaType(reason="the picture cannot be read") from error
    return web.Response(body=data, content_type="image/webp", headers=headers)


def report_names() -> set[str]:
    """Files below reports/ that may be shown; what links out of the project may not."""
    found, root = REPORTS.rglob("*") if REPORTS.is_dir() else (), Path().resolve()
    return {
        path.relative_to(REPORTS).as_posix()
        for path in found
        if path.suffix in REPORT_TYPES and path.is_file() and path.resolve().is_relative_to(root)
    }


async def report(request: web.Request) -> web.StreamResponse:
    """In an origin of its own, without the cookie: its scripts cannot call the API."""
    name = request.match_info["name"]
    if not equal(request.match_info["ticket"], request.app[GUARD].ticket):
        return refused(401, "open the report from the workbench")
    if name not in report_names():
        raise web.HTTPNotFound(reason="there is no such report")
    headers = {
        "Content-Type": REPORT_TYPES[Path(name).suffix],
        "Content-Security-Policy": REPORT_POLICY.format(f"http://{request.headers['Host']}"),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return web.FileResponse(REPORTS / name, headers=headers)


ROUTES = [
    web.get("/static/{name:[a-z_]+\\.(?:js|css|svg)}", static),
    web.get("/picture/{digest:[0-9a-f]{64}}/{kind:full|320|96}", picture),
    web.get("/reports/{ticket:[A-Za-z0-9_-]+}/{name:.+}", report),
]
