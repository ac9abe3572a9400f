"""/gate: faults, waivers."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from pipeline.workbench.answers import body, in_thread
from pipeline.workbench.gate import Gate
from pipeline.workbench.routes.edits import Name, Names, Text

GATE = web.AppKey("gate", Gate)


class WaiveRequest(BaseModel):
    """`reason`: None deletes the waiver."""

    model_config = ConfigDict(extra="forbid")
    pictures: Names
    check: Name
    reason: Annotated[str, Field(min_length=3, max_length=2000)] | None
    seen: Text | None = None


async def faults(request: web.Request) -> web.Response:
    gate = request.app[GATE]
    return await in_thread(gate.shown)


async def waive(request: web.Request) -> web.Response:
    gate, asked = request.app[GATE], await body(request, WaiveRequest)

    def work() -> dict[str, str]:
        if asked.reason is None:
            return {"said": gate.unwaive(asked.pictures, asked.check, asked.seen)}
        return {"said": gate.waive(asked.pictures, asked.check, asked.reason.strip(), asked.seen)}

    return await in_thread(work)


ROUTES = [web.get("/api/gate", faults), web.post("/api/waive", waive)]
