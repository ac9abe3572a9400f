"""/: what to do next."""

from aiohttp import web

from pipeline.workbench import home
from pipeline.workbench.answers import BOARD, in_thread
from pipeline.workbench.routes.gate import GATE
from pipeline.workbench.routes.grid import GRID_KEY


async def shown(request: web.Request) -> web.Response:
    board, gate, grid = request.app[BOARD], request.app[GATE], request.app[GRID_KEY]
    return await in_thread(lambda: home.shown(board, gate, grid))


ROUTES = [web.get("/api/home", shown)]
