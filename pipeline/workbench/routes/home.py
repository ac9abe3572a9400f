"""/: what to do next."""

from aiohttp import web

from pipeline.workbench import home
from pipeline.workbench.answers import BOARD, in_thread
from pipeline.workbench.routes.gate import GATE
from pipeline.workbench.routes.grid import GRID_KEY
from pipeline.workbench.routes.pages import PLACES


async def shown(request: web.Request) -> web.Response:
    board, gate, grid = request.app[BOARD], request.app[GATE], request.app[GRID_KEY]
    has_run_page = "/run" in dict(PLACES)
    return await in_thread(lambda: home.shown(board, gate, grid, has_run_page))


ROUTES = [web.get("/api/home", shown)]
