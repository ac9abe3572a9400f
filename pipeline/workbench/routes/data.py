"""/data: pictures, filter, captions, bulk actions, leaving out, undo."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import UserError
from pipeline.workbench import sorting
from pipeline.workbench.actions import TagAction
from pipeline.workbench.answers import BOARD, body, in_thread
from pipeline.workbench.board import Board
from pipeline.workbench.bulk import BulkPlan, found_and_replaced, planned, previewed
from pipeline.workbench.completion import Completion
from pipeline.workbench.filters import All, Filter, Term, parsed
from pipeline.workbench.pictures import generation

MOST_ROWS = 400
MOST_PANEL_TAGS = 400
MOST_SEED = 1_000_000
Text = Annotated[str, Field(max_length=20_000)]
Name = Annotated[str, Field(min_length=1, max_length=1000)]
Names = Annotated[list[Name], Field(max_length=200_000)]
Tags = Annotated[list[Name], Field(max_length=200)]
COMPLETION = web.AppKey("completion", Completion)


class BulkRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    ids: Names
    kind: Literal["add", "remove", "replace", "set", "reset", "find"]
    tags: Tags = []
    new: Tags = []
    text: Text = ""
    rule: Name | None = None
    seen: Text | None = None


class LeaveOutRequest(BaseModel):
    """`reason`: None takes the pictures back."""

    model_config = ConfigDict(extra="forbid")
    pictures: Names
    reason: Text | None
    seen: Text | None = None


async def pictures(request: web.Request) -> web.Response:
    board = request.app[BOARD]
    return await in_thread(lambda: board.refresh_index().columns())


async def filtered(request: web.Request) -> web.Response:
    query, order = request.query.get("q", ""), request.query.get("sort", "id")
    seed = request.query.get("seed", "0")
    number = int(seed) if seed.isascii() and seed.isdigit() and len(seed) < 7 else 0
    return await in_thread(partial(_filtered, request.app[BOARD], query[:2000], order, number % MOST_SEED))


def _filtered(board: Board, query: str, order: str, seed: int) -> dict[str, Any]:
    with board.lock:
        board.refresh()
        wanted = parsed(query)
        numbers = board.matcher.matching(wanted)
        scored = _first_tag(wanted) if order == "score" else ""
        if scored:
            scores = board.scores(scored)
            pictures = board.index.pictures
            ordered = sorted(numbers, key=lambda number: (scores.get(pictures[number].id, 2.0), number))
        else:
            ordered = sorting.in_order(numbers, order, board.index, _tag_counts(board, order), seed)
        tags = board.matcher.tags(numbers)
        return {
            "numbers": ordered,
            "total": len(board.index.pictures),
            "generation": generation(board.index.stamps),
            "tags": tags[:MOST_PANEL_TAGS],
            "numTags": len(tags),
            "edited": sorted(board.matcher.edited),
            "left": sorted(board.left_out),
            "files": board.desk.hashes(),
            "hasCaptions": board.captions is not None,
            "undo": len(board.desk.journal.done),
            "redo": len(board.desk.journal.undone),
        }


def _tag_counts(board: Board, order: str) -> Mapping[str, int]:
    captions = board.captions.captions if board.captions and order == "tags" else {}
    return {name: len(caption.kept) for name, caption in captions.items()}


def _first_tag(wanted: Filter) -> str:
    """The tag whose score the order goes by."""
    if isinstance(wanted, Term):
        return wanted.value if wanted.field in ("tag", "dropped") else ""
    parts = wanted.parts if isinstance(wanted, All) else ()
    return next(filter(None, map(_first_tag, parts)), "")


async def rows(request: web.Request) -> web.Response:
    board, asked = request.app[BOARD], request.query.get("n", "")

    def work() -> dict[str, Any]:
        with board.lock:
            board.refresh()
            number = len(board.index.pictures)
            wanted = [int(each) for each in asked.split(",")[:MOST_ROWS] if each.isascii() and each.isdigit()]
            return {str(each): board.row(each) for each in wanted if each < number}

    return await in_thread(work)


async def near(request: web.Request) -> web.Response:
    board, asked = request.app[BOARD], request.query.get("n", "")

    def work() -> dict[str, Any]:
        with board.lock:
            index = board.refresh_index()
            number = (
                int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else len(index.pictures)
            )
            return {"near": sorting.near_copies(index, number) if number < len(index.pictures) else []}

    return await in_thread(work)


async def preview(request: web.Request) -> web.Response:
    board, asked = request.app[BOARD], await body(request, BulkRequest)

    def work() -> dict[str, Any]:
        with board.lock:
            board.refresh()
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
    texts = {name: captions[name].text for name in asked.ids if name in captions}
    found = found_and_replaced(texts, asked.tags[0] if asked.tags else "", asked.text)
    return planned(board, list(found), {name: TagAction("set", text=text) for name, text in found.items()})


async def bulk(request: web.Request) -> web.Response:
    board, asked = request.app[BOARD], await body(request, BulkRequest)

    def work() -> dict[str, Any]:
        with board.lock:
            board.refresh()
            plan = _plan(board, asked)
            said = _sentence(asked, len(plan.changes))
            board.desk.write("tag_edits", plan.changes, asked.seen, said)
            return {"said": said, "changed": len(plan.changes)}

    return await in_thread(work)


def _sentence(asked: BulkRequest, number: int) -> str:
    whom = f"for {asked.rule}" if asked.rule else f"{number} picture{'' if number == 1 else 's'}"
    tags, new = ", ".join(asked.tags), ", ".join(asked.new) or "nothing"
    return {
        "add": f"{tags} added to {whom}",
        "remove": f"{tags} removed from {whom}",
        "replace": f"{tags} replaced by {new} in {whom}",
        "set": f"caption written of {whom}",
        "reset": f"edits taken back of {whom}",
        "find": f"{tags} found and replaced in {whom}",
    }[asked.kind]


async def leave_out(request: web.Request) -> web.Response:
    board, asked = request.app[BOARD], await body(request, LeaveOutRequest)

    def work() -> dict[str, Any]:
        with board.lock:
            known = board.desk.values("left_out")
            names = asked.pictures if asked.reason is not None else [n for n in asked.pictures if n in known]
            verb = "taken back" if asked.reason is None else "left out"
            said = f"{len(names)} picture{'' if len(names) == 1 else 's'} {verb}"
            board.desk.write("left_out", dict.fromkeys(names, asked.reason), asked.seen, said)
            return {"said": said, "changed": len(names)}

    return await in_thread(work)


async def undo(request: web.Request) -> web.Response:
    desk = request.app[BOARD].desk
    return await in_thread(lambda: {"said": desk.undo()})


async def redo(request: web.Request) -> web.Response:
    desk = request.app[BOARD].desk
    return await in_thread(lambda: {"said": desk.redo()})


async def complete(request: web.Request) -> web.Response:
    board, completion = request.app[BOARD], request.app[COMPLETION]
    text = request.query.get("q", "")[:200]
    return await in_thread(lambda: {"names": completion.names(board, text)})


ROUTES = [
    web.get("/api/pictures", pictures),
    web.get("/api/filter", filtered),
    web.get("/api/rows", rows),
    web.get("/api/complete", complete),
    web.get("/api/near", near),
    web.post("/api/preview", preview),
    web.post("/api/edits", bulk),
    web.post("/api/leave-out", leave_out),
    web.post("/api/undo", undo),
    web.post("/api/redo", redo),
]
