"""The server: its routes, and its life on 127.0.0.1 until Ctrl-C."""

import asyncio
import os
import signal
import socket
from contextlib import suppress

from aiohttp import web

from pipeline.errors import UserError
from pipeline.workbench.answers import BOARD, sentences
from pipeline.workbench.board import Board
from pipeline.workbench.completion import Completion
from pipeline.workbench.gate import Gate
from pipeline.workbench.grid import SampleGrid
from pipeline.workbench.guard import Guard
from pipeline.workbench.instance import forget_address
from pipeline.workbench.picture_files import PictureFiles
from pipeline.workbench.routes import (
    commit,
    crop,
    data,
    edits,
    events,
    files,
    gate,
    grid,
    home,
    pages,
    queue,
    run,
)
from pipeline.workbench.runs.queue import Queue
from pipeline.workbench.runs.runs import Runs
from pipeline.workbench.runs.stages import Planned
from pipeline.workbench.runs.watch import Watch
from pipeline.workbench.safety import MOST_BODY_BYTES, guarding
from pipeline.workbench.top import Top

SLICE_SECONDS, PAUSE_SECONDS = 0.1, 0.2


def application(guard: Guard) -> web.Application:
    app = web.Application(middlewares=[guarding(guard), sentences], client_max_size=MOST_BODY_BYTES)
    board = Board()
    app[BOARD], app[gate.GATE], app[files.GUARD] = board, Gate(board.desk), guard
    app[grid.GRID_KEY] = SampleGrid(board.desk)
    app[files.FILES_KEY], app[data.COMPLETION] = PictureFiles(), Completion()
    runs = Runs()
    app[run.WATCH], app[run.PLANNED], app[queue.QUEUE] = Watch(runs), Planned(), Queue(runs)
    app[events.TOP_BAR], app[events.STREAMS] = Top(app[run.WATCH]), set()
    for module in (pages, home, data, edits, crop, grid, gate, run, queue, commit, files, events):
        app.add_routes(module.ROUTES)
    return app


def serve(sock: socket.socket, guard: Guard) -> None:
    asyncio.run(_serving(sock, guard))


async def _keep_fresh(board: Board) -> None:
    """Reads everything before the first page asks; then writes captions that an edit has made stale."""
    loop = asyncio.get_running_loop()
    with suppress(UserError, OSError, ValueError):  # the page shows what is wrong
        await loop.run_in_executor(None, board.refresh, SLICE_SECONDS)
    while True:
        await asyncio.sleep(SLICE_SECONDS / 10 if board.num_stale else PAUSE_SECONDS)
        if board.num_stale:
            with suppress(UserError, OSError, ValueError):
                await loop.run_in_executor(None, board.freshen, None, SLICE_SECONDS)


async def _serving(sock: socket.socket, guard: Guard) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = application(guard)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.3)
    await runner.setup()
    await web.SockSite(runner, sock).start()
    tasks = [asyncio.create_task(_keep_fresh(app[BOARD]))]
    if not guard.read_only:
        tasks.append(asyncio.create_task(queue.keep_going(app[queue.QUEUE])))
    await stop.wait()
    for task in tasks:
        task.cancel()
    forget_address()
    await runner.cleanup()
    os._exit(0)  # threads may still make thumbnails; every file is written whole or not at all
