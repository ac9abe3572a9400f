"""/crop: what would be cut, and the entries of data/crop_edits.yaml."""

from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from pipeline.workbench import crops
from pipeline.workbench.answers import BOARD, body, in_thread
from pipeline.workbench.routes.edits import SentName, Text


class CropRequest(BaseModel):
    """`own`: the picture's entry; None: none. Left out: the one that the file has."""

    model_config = ConfigDict(extra="forbid")
    picture: SentName
    own: dict[str, Any] | None = None
    seen: Text | None = None


async def shown(request: web.Request) -> web.Response:
    board, asked = request.app[BOARD], await body(request, CropRequest)
    is_written = "own" not in asked.model_fields_set

    def work() -> dict[str, Any]:
        own = board.desk.values("crop_edits").get(asked.picture) if is_written else asked.own
        return crops.shown(board, asked.picture, own)

    return await in_thread(work)


async def write(request: web.Request) -> web.Response:
    board, asked = request.app[BOARD], await body(request, CropRequest)
    return await in_thread(lambda: {"said": crops.write(board, asked.picture, asked.own, asked.seen)})


ROUTES = [web.post("/api/crop/preview", shown), web.post("/api/crop", write)]
