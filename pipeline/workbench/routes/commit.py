"""Committing decisions, after the page has shown what changes."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from pipeline.workbench import commits
from pipeline.workbench.answers import body, in_thread
from pipeline.workbench.routes.edits import SentName


class CommitRequest(BaseModel):
    """`seen`: the hash of what the page shows."""

    model_config = ConfigDict(extra="forbid")
    message: Annotated[str, Field(min_length=1, max_length=5000)]
    seen: SentName


async def shown(_: web.Request) -> web.Response:
    return await in_thread(commits.shown)


async def commit(request: web.Request) -> web.Response:
    asked = await body(request, CommitRequest)
    return await in_thread(lambda: {"said": commits.commit(asked.message, asked.seen)})


ROUTES = [web.get("/api/decisions", shown), web.post("/api/commit", commit)]
