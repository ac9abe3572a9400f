"""The server: its routes, and its life on 127.0.0.1 until Ctrl-C."""

import asyncio
import errno
import os
import signal
import socket
import time
from collections.abc import Callable

from aiohttp import web

from pipeline.errors import UserError
from pipeline.workbench.answers import BOARD, sentences
from pipeline.workbench.board import Board
from pipeline.workbench.completion import Completion
from pipeline.workbench.gate import Gate
from pipeline.workbench.picture_files import PictureFiles
from pipeline.workbench.routes import data, edits, events, files, gate, pages
from pipeline.workbench.safety import MOST_BODY_BYTES, Guard, guarding

ADDRESS = "127.0.0.1"
SLICE_SECONDS = 0.2


def application(guard: Guard) -> web.Application:
    app = web.Application(middlewares=[guarding(guard), sentences], client_max_size=MOST_BODY_BYTES)
    board = Board()
    app[BOARD], app[gate.GATE], app[files.GUARD] = board, Gate(board.desk), guard
    app[files.FILES_KEY], app[data.COMPLETION] = PictureFiles(), Completion()
    for module in (pages, data, edits, gate, files, events):
        app.add_routes(module.ROUTES)
    return app


def listening(port: int) -> socket.socket:
    """A socket of this machine alone; port 0: any that is free."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((ADDRESS, port))
    except OSError as error:
        made.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UserError(
            f"port {port} is taken or not allowed; another program, perhaps another checkout's workbench,"
            " uses it: add `--port 0` for any free one"
        ) from None
    return made


def serve(sock: socket.socket, guard: Guard, ready: Callable[[], None]) -> None:
    asyncio.run(_serving(sock, guard, ready))


def _warm(board: Board) -> None:
    """Reads everything before the first page asks."""
    try:
        while board.refresh(SLICE_SECONDS).num_stale:
            time.sleep(SLICE_SECONDS / 10)  # lets requests have the board
    except (UserError, OSError, ValueError):
        return  # the page tells of it


async def _serving(sock: socket.socket, guard: Guard, ready: Callable[[], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = application(guard)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.3)
    await runner.setup()
    await web.SockSite(runner, sock).start()
    ready()
    asyncio.get_running_loop().run_in_executor(None, _warm, app[BOARD])
    await stop.wait()
    await runner.cleanup()
    os._exit(0)  # threads may still make thumbnails; every file is written whole or not at all
