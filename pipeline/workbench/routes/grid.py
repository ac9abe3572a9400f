"""/grid: places, votes, stars, and which place is baked in."""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from pipeline.votes.vote_file import MOST_NOTE, MOST_STARS
from pipeline.workbench.answers import body, in_thread
from pipeline.workbench.bake import bake
from pipeline.workbench.grid import SampleGrid
from pipeline.workbench.ranking import shown as all_of
from pipeline.workbench.routes.edits import SentName, Text

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


class MarkRequest(BaseModel):
    """Stars and note of the place with this label."""

    model_config = ConfigDict(extra="forbid")
    place: SentName
    stars: Annotated[int, Field(ge=0, le=MOST_STARS)]
    note: Annotated[str, Field(max_length=MOST_NOTE)]
    seen: Text | None = None


class BakeRequest(BaseModel):
    """`place`: its number; None: what the votes prefer. `seen`: the hash of params.yaml."""

    model_config = ConfigDict(extra="forbid")
    place: FromZero | None
    seen: Text | None = None


async def shown(request: web.Request) -> web.Response:
    grid = request.app[GRID_KEY]
    return await in_thread(lambda: all_of(grid))


async def pair(request: web.Request) -> web.Response:
    return await in_thread(request.app[GRID_KEY].next_pair)


async def vote(request: web.Request) -> web.Response:
    grid, asked = request.app[GRID_KEY], await body(request, VoteRequest)
    return await in_thread(
        lambda: {"said": grid.vote(asked.sides, asked.prompt, asked.seed, asked.choice, asked.seen)}
    )


async def mark(request: web.Request) -> web.Response:
    grid, asked = request.app[GRID_KEY], await body(request, MarkRequest)
    return await in_thread(lambda: {"said": grid.mark(asked.place, asked.stars, asked.note, asked.seen)})


async def bake_in(request: web.Request) -> web.Response:
    grid, asked = request.app[GRID_KEY], await body(request, BakeRequest)
    return await in_thread(lambda: {"said": bake(grid, asked.place, asked.seen)})


ROUTES = [
    web.get("/api/grid", shown),
    web.get("/api/grid/pair", pair),
    web.post("/api/vote", vote),
    web.post("/api/mark", mark),
    web.post("/api/bake", bake_in),
]
