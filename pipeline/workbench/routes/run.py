"""/run: what would run, start, stop, sample pictures of a training."""

from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import UserError
from pipeline.workbench.answers import body, in_thread
from pipeline.workbench.routes.edits import SentName
from pipeline.workbench.runs.commands import repro
from pipeline.workbench.runs.run import OVER
from pipeline.workbench.runs.stages import Planned
from pipeline.workbench.runs.watch import Watch

WATCH, PLANNED = web.AppKey("watch", Watch), web.AppKey("planned", Planned)
STOP_SAID = (
    "Asked to stop.",
    "Asked again to stop.",
    "Killed.",
)


class StartRequest(BaseModel):
    """`stage`: None for all."""

    model_config = ConfigDict(extra="forbid")
    stage: SentName | None = None


class StopRequest(BaseModel):
    """`step`: 1 asks, 2 asks again, 3 kills."""

    model_config = ConfigDict(extra="forbid")
    run: Annotated[int, Field(ge=1, le=10**9)]
    step: Literal[1, 2, 3]


async def planned(request: web.Request) -> web.Response:
    watch, plan = request.app[WATCH], request.app[PLANNED]

    def work() -> dict[str, Any]:
        watch.poll()
        return plan.shown(is_running=not watch.is_over)

    return await in_thread(work)


async def start(request: web.Request) -> web.Response:
    watch, asked = request.app[WATCH], await body(request, StartRequest)

    def work() -> dict[str, Any]:
        with watch.runs.lock:
            now = watch.runs.current()
            if now is not None and now.phase not in OVER:
                raise UserError(
                    f"run {now.number} goes on; stop it, wait for its end, or add a job to the queue"
                )
            run = watch.runs.start(repro(asked.stage))
        return {"said": f"Run {run.number} started", "number": run.number}

    return await in_thread(work)


async def stop(request: web.Request) -> web.Response:
    watch, asked = request.app[WATCH], await body(request, StopRequest)

    def work() -> dict[str, Any]:
        watch.runs.numbered(asked.run).stop(asked.step)
        return {"said": STOP_SAID[asked.step - 1]}

    return await in_thread(work)


async def sample(request: web.Request) -> web.StreamResponse:
    """By the numbers of prompt and epoch, of those that are there."""
    place = int(request.match_info["prompt"]), int(request.match_info["epoch"])
    if (path := request.app[WATCH].samples().get(place)) is None:
        raise web.HTTPNotFound(reason="there is no such sample picture")
    return web.FileResponse(path, headers={"Content-Type": "image/png"})


ROUTES = [
    web.get("/api/run/planned", planned),
    web.post("/api/run/start", start),
    web.post("/api/run/stop", stop),
    web.get("/sample/{prompt:[0-9]{1,6}}/{epoch:[0-9]{1,9}}", sample),
]
