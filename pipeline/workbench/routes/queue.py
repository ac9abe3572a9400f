"""The queue of runs: add, order, remove, switch on and off."""

import asyncio
from contextlib import suppress
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import UserError
from pipeline.workbench.answers import body, in_thread
from pipeline.workbench.routes.edits import SentName
from pipeline.workbench.runs.queue import Queue

QUEUE = web.AppKey("queue", Queue)
STEP_SECONDS = 1.0
Overrides = Annotated[list[SentName], Field(max_length=50)]


class AddRequest(BaseModel):
    """`overrides`: `key=value` each."""

    model_config = ConfigDict(extra="forbid")
    overrides: Overrides


class JobRequest(BaseModel):
    """`do`: for one job."""

    model_config = ConfigDict(extra="forbid")
    job: SentName
    do: Literal["up", "down", "remove"]


class QueueRequest(BaseModel):
    """None: as it is."""

    model_config = ConfigDict(extra="forbid")
    is_on: bool | None = None
    goes_on: bool | None = None


async def shown(request: web.Request) -> web.Response:
    return await in_thread(request.app[QUEUE].shown)


async def add(request: web.Request) -> web.Response:
    queue, asked = request.app[QUEUE], await body(request, AddRequest)
    return await in_thread(lambda: {"said": queue.add(asked.overrides)})


async def job(request: web.Request) -> web.Response:
    queue, asked = request.app[QUEUE], await body(request, JobRequest)

    def work() -> dict[str, Any]:
        if asked.do == "remove":
            queue.remove(asked.job)
            return {"said": f"{asked.job} removed"}
        queue.move(asked.job, -1 if asked.do == "up" else 1)
        return {"said": f"{asked.job} moved {asked.do}"}

    return await in_thread(work)


async def switch(request: web.Request) -> web.Response:
    queue, asked = request.app[QUEUE], await body(request, QueueRequest)

    def work() -> dict[str, Any]:
        queue.set(**asked.model_dump(exclude_none=True))
        return {"said": "The queue runs" if queue.settings.is_on else "The queue starts no further job"}

    return await in_thread(work)


async def keep_going(queue: Queue) -> None:
    """Starts one job after the other, until the server ends; jobs go on without it."""
    loop = asyncio.get_running_loop()
    while True:
        with suppress(UserError, OSError, ValueError, KeyError, TypeError):  # tried again
            await loop.run_in_executor(None, queue.step)
        await asyncio.sleep(STEP_SECONDS)


ROUTES = [
    web.get("/api/queue", shown),
    web.post("/api/queue/add", add),
    web.post("/api/queue/job", job),
    web.post("/api/queue/switch", switch),
]
