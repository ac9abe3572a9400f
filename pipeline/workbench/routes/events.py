"""/events: server-sent news that a file has changed, so that open pages ask again."""

import asyncio
import json
from contextlib import suppress

from aiohttp import web

from pipeline.config.graph_file import DVC_LOCK, RESOLVED_PARAMS
from pipeline.pictures.gate_file import GATE_FILE
from pipeline.votes.grid_places import GRID_FILE
from pipeline.workbench.captions import TAG_ROWS
from pipeline.workbench.decisions import FILES
from pipeline.workbench.pictures import stamps_now

POLL_SECONDS = 1.0
HEARTBEATS = 15
"""Polls after which a silent stream says that it is there."""


def watched() -> dict[str, object]:
    """What the pages show, by name: another value when it has changed."""
    paths = {name: file.path for name, file in FILES.items()}
    paths |= {
        "tags": TAG_ROWS,
        "settings": RESOLVED_PARAMS,
        "gate": GATE_FILE,
        "grid": GRID_FILE,
        "runs": DVC_LOCK,
    }
    found: dict[str, object] = {
        name: path.stat().st_mtime_ns if path.exists() else 0 for name, path in paths.items()
    }
    return {**found, "pictures": stamps_now()}


async def events(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await stream.prepare(request)
    with suppress(ConnectionError):  # the page is closed
        await _tell(stream)
    return stream


async def _tell(stream: web.StreamResponse) -> None:
    before, silent = watched(), 0
    await stream.write(b": here\n\n")
    while True:
        await asyncio.sleep(POLL_SECONDS)
        now = watched()
        changed = [name for name in now if now[name] != before[name]]
        before, silent = now, silent + 1
        if changed:
            await stream.write(f"event: changed\ndata: {json.dumps(changed)}\n\n".encode())
        elif silent >= HEARTBEATS:
            silent = 0
            await stream.write(b": here\n\n")


ROUTES = [web.get("/events", events)]
