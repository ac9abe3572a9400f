"""/grid: places, votes."""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from pipeline.workbench.answers import body, in_thread
from pipeline.workbench.grid import SampleGrid
from pipeline.workbench.routes.edits import Text

GRID_KEY = web.AppKey("grid", SampleGrid)
FromZero = Annotated[int, Field(ge=0)]


class VoteRequest(BaseModel):
    """`sides`: the numbers of the places at the left and right."""

    model_config = ConfigDict(extra="forbid")
    sides: Annotated[list[FromZero], Field(min_length=2, max_length=2)]
    prompt: FromZero
    seed: FromZero
    choice: Literal["left", "right", "equal", "neither"]
    seen: Text | None = None


async def shown(request: web.Request) -> web.Response:
    return await in_thread(request.app[GRID_KEY].shown)


async def pair(request: web.Request) -> web.Response:
    return await in_thread(request.app[GRID_KEY].next_pair)


async def vote(request: web.Request) -> web.Response:
    grid, asked = request.app[GRID_KEY], await body(request, VoteRequest)
    return await in_thread(
        lambda: {"said": grid.vote(asked.sides, asked.prompt, asked.seed, asked.choice, asked.seen)}
    )


ROUTES = [web.get("/api/grid", shown), web.get("/api/grid/pair", pair), web.post("/api/vote", vote)]
