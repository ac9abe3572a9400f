"""/events: server-sent news that a file has changed, so that open pages ask again; of the bar of all pages;
with `?run`, of the run. One stream a page: a browser opens six connections to a server at most.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from aiohttp import web

from pipeline.config.graph_file import DVC_LOCK, RESOLVED_PARAMS
from pipeline.pictures.gate_file import GATE_FILE
from pipeline.votes.grid_places import GRID_FILE
from pipeline.workbench.captions import TAG_ROWS
from pipeline.workbench.commits import DECISION_PATHS
from pipeline.workbench.pictures import stamps_now
from pipeline.workbench.routes.run import WATCH
from pipeline.workbench.runs.news import RunNews
from pipeline.workbench.runs.queue import QUEUE_FILE
from pipeline.workbench.safety import EVENTS_PATH, HEADERS
from pipeline.workbench.top import Top

TOP_BAR = web.AppKey("top", Top)
STREAMS = web.AppKey("streams", set[web.StreamResponse])
MOST_STREAMS = 64
POLL_SECONDS = 0.5
POLLS_A_LOOK = 2
"""Files change seldom, and there are many of them."""
HEARTBEATS = 30
"""Polls after which a silent stream says that it is there."""


def watched() -> dict[str, object]:
    """What the pages show, by name: another value when it has changed."""
    paths = dict(DECISION_PATHS)
    paths |= {
        "tags": TAG_ROWS,
        "settings": RESOLVED_PARAMS,
        "gate": GATE_FILE,
        "grid": GRID_FILE,
        "runs": DVC_LOCK,
        "queue": QUEUE_FILE,
    }
    found: dict[str, object] = {
        name: path.stat().st_mtime_ns if path.exists() else 0 for name, path in paths.items()
    }
    return {**found, "pictures": stamps_now()}


class News:
    """What one page has not got yet."""

    def __init__(self, top: Top, run: RunNews | None) -> None:
        self.top, self.run = top, run
        self.before, self.bar, self.polls = watched(), "", 0

    def new(self) -> Iterator[tuple[str, Any]]:
        """Events, each a name and its content."""
        if self.run is not None:
            yield from self.run.new()
        if self.polls % POLLS_A_LOOK == 0:
            now = watched()
            if changed := [name for name in now if now[name] != self.before[name]]:
                yield "changed", changed
            self.before = now
            if (bar := json.dumps(said := self.top.shown())) != self.bar:
                self.bar = bar
                yield "top", said
        self.polls += 1


async def events(request: web.Request) -> web.StreamResponse:
    streams = request.app[STREAMS]
    if len(streams) >= MOST_STREAMS:
        raise web.HTTPServiceUnavailable(reason="too many pages are open; close some")
    stream = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
    streams.add(stream)
    try:
        with suppress(ConnectionError):  # the page is closed
            await stream.prepare(request)
            run = RunNews(request.app[WATCH]) if "run" in request.query else None
            await _tell(stream, News(request.app[TOP_BAR], run))
    finally:
        streams.discard(stream)
    return stream


async def _tell(stream: web.StreamResponse, news: News) -> None:
    loop, silent = asyncio.get_running_loop(), 0
    await stream.write(b": here\n\n")
    while True:
        found = await loop.run_in_executor(None, lambda: list(news.new()))
        for name, content in found:
            await stream.write(f"event: {name}\ndata: {json.dumps(content)}\n\n".encode())
        silent = 0 if found else silent + 1
        if silent >= HEARTBEATS:
            silent = 0
            await stream.write(b": here\n\n")
        await asyncio.sleep(POLL_SECONDS)


ROUTES = [web.get(EVENTS_PATH, events)]
