"""Reads of /data: pictures, filter, captions, names for tag fields."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web

from pipeline.number_text import index_in
from pipeline.workbench import sorting
from pipeline.workbench.answers import BOARD, in_thread
from pipeline.workbench.board import Board
from pipeline.workbench.completion import Completion
from pipeline.workbench.filters import All, Filter, Term, parsed
from pipeline.workbench.pictures import generation

MOST_ROWS = 400
MOST_PANEL_TAGS = 400
SHUFFLES = 1_000_000
CAPTION_SECONDS = 0.1
"""A filter's answer waits no longer for captions; the page asks again while some are stale."""
COMPLETION = web.AppKey("completion", Completion)


async def pictures(request: web.Request) -> web.Response:
    board = request.app[BOARD]
    return await in_thread(lambda: board.refresh_index().columns())


async def filtered(request: web.Request) -> web.Response:
    query, order = request.query.get("q", ""), request.query.get("sort", "id")
    seed = index_in(request.query.get("seed", "0"), SHUFFLES) or 0
    return await in_thread(partial(_filtered, request.app[BOARD], query[:2000], order, seed))


def _filtered(board: Board, query: str, order: str, seed: int) -> dict[str, Any]:
    with board.lock:
        board.refresh(CAPTION_SECONDS)
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
            "left": board.left_out,
            "files": board.desk.hashes(),
            "hasCaptions": board.captions is not None,
            "stale": board.num_stale,
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
            board.refresh(0)
            limit = len(board.index.pictures)
            numbers = (index_in(each, limit) for each in asked.split(",")[:MOST_ROWS])
            return {str(number): board.row(number) for number in numbers if number is not None}

    return await in_thread(work)


async def near(request: web.Request) -> web.Response:
    board, asked = request.app[BOARD], request.query.get("n", "")

    def work() -> dict[str, Any]:
        with board.lock:
            index = board.refresh(0).index
            number = index_in(asked, len(index.pictures))
            return {"near": [] if number is None else sorting.near_copies(index, number)}

    return await in_thread(work)


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
]
