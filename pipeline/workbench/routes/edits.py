"""Writes of /data: bulk actions and their previews, leaving out, undo and redo."""

from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import UserError
from pipeline.workbench.actions import TagAction
from pipeline.workbench.answers import BOARD, body, in_thread
from pipeline.workbench.board import Board
from pipeline.workbench.bulk import BulkPlan, found_and_replaced, planned, previewed
from pipeline.workbench.journal import number_of

Text = Annotated[str, Field(max_length=20_000)]
SentName = Annotated[str, Field(min_length=1, max_length=1000)]
SentNames = Annotated[list[SentName], Field(max_length=200_000)]
Tags = Annotated[list[SentName], Field(max_length=200)]


class BulkRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    ids: SentNames
    kind: Literal["add", "remove", "replace", "set", "reset", "find"]
    tags: Tags = []
    new: Tags = []
    text: Text = ""
    rule: SentName | None = None
    seen: Text | None = None


class LeaveOutRequest(BaseModel):
    """`reason`: None takes the pictures back."""

    model_config = ConfigDict(extra="forbid")
    pictures: SentNames
    reason: Text | None
    seen: Text | None = None


async def preview(request: web.Request) -> web.Response:
    board, asked = request.app[BOARD], await body(request, BulkRequest)

    def work() -> dict[str, Any]:
        with board.lock:
            board.refresh(0)
            plan = _plan(board, asked)
            return {**previewed(plan), "rules": _rules(board, asked.ids)}

    return await in_thread(work)


def _rules(board: Board, ids: list[str]) -> list[dict[str, Any]]:
    """Patterns that name exactly these pictures."""
    chosen, every = set(ids), board.index.numbers.keys()
    concepts = {picture.concept for picture in board.index.pictures}
    patterns = ["*", *(f"{concept}/*" for concept in sorted(concepts))] if len(chosen) > 1 else []
    of = {"*": set(every)} | {
        f"{c}/*": {name for name in every if name.startswith(f"{c}/")} for c in concepts
    }
    return [{"pattern": name, "names": len(of[name])} for name in patterns if of[name] == chosen][-1:]


def _plan(board: Board, asked: BulkRequest) -> BulkPlan:
    if asked.kind in ("add", "remove") and not asked.tags:
        raise UserError("name a tag")
    if asked.kind == "replace" and len(asked.tags) != 1:
        raise UserError("name one tag to replace")
    if asked.kind != "find":
        action = TagAction(asked.kind, tuple(asked.tags), tuple(asked.new), asked.text)
        return planned(board, asked.ids, action, asked.rule)
    captions = board.captions.captions if board.captions else {}
    board.freshen(asked.ids)
    texts = {name: captions[name].text for name in asked.ids if name in captions}
    found = found_and_replaced(texts, asked.tags[0] if asked.tags else "", asked.text)
    return planned(board, list(found), {name: TagAction("set", text=text) for name, text in found.items()})


async def bulk(request: web.Request) -> web.Response:
    board, asked = request.app[BOARD], await body(request, BulkRequest)

    def work() -> dict[str, Any]:
        with board.lock:
            board.refresh(0)
            plan = _plan(board, asked)
            said = _sentence(asked, len(plan.changes))
            board.desk.write("tag_edits", plan.changes, asked.seen, said)
            return {"said": said, "changed": len(plan.changes)}

    return await in_thread(work)


def _sentence(asked: BulkRequest, number: int) -> str:
    whom = asked.rule or number_of(number, "picture")
    tags, new = ", ".join(asked.tags), ", ".join(asked.new) or "nothing"
    return {
        "add": f"{tags} added to {whom}",
        "remove": f"{tags} removed from {whom}",
        "replace": f"{tags} replaced by {new} in {whom}",
        "set": f"caption of {whom} written",
        "reset": f"edits of {whom} taken back",
        "find": f"{tags} found and replaced in {whom}",
    }[asked.kind]


async def leave_out(request: web.Request) -> web.Response:
    board, asked = request.app[BOARD], await body(request, LeaveOutRequest)

    def work() -> dict[str, Any]:
        with board.lock:
            known = board.desk.values("left_out")
            names = asked.pictures if asked.reason is not None else [n for n in asked.pictures if n in known]
            verb = "taken back" if asked.reason is None else "left out"
            said = f"{number_of(len(names), 'picture')} {verb}"
            board.desk.write("left_out", dict.fromkeys(names, asked.reason), asked.seen, said)
            return {"said": said, "changed": len(names)}

    return await in_thread(work)


async def undo(request: web.Request) -> web.Response:
    desk = request.app[BOARD].desk
    return await in_thread(lambda: {"said": desk.undo()})


async def redo(request: web.Request) -> web.Response:
    desk = request.app[BOARD].desk
    return await in_thread(lambda: {"said": desk.redo()})


ROUTES = [
    web.post("/api/preview", preview),
    web.post("/api/edits", bulk),
    web.post("/api/leave-out", leave_out),
    web.post("/api/undo", undo),
    web.post("/api/redo", redo),
]
