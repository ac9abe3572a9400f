"""Answers of the API: JSON, errors as sentences, work in a thread so that the server goes on answering."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from pipeline.errors import UserError
from pipeline.workbench.board import Board
from pipeline.workbench.edited_file import ConflictError
from pipeline.workbench.safety import Handler

Asked = TypeVar("Asked", bound=BaseModel)
BOARD = web.AppKey("board", Board)


async def in_thread(work: Callable[[], Any]) -> web.Response:
    """The work's value as JSON; it may take long."""
    return answer(await asyncio.get_running_loop().run_in_executor(None, work))


def answer(value: Any, status: int = 200) -> web.Response:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    made = web.json_response(text=text, status=status)
    if len(text) > 10_000:
        made.enable_compression()
    return made


async def body(request: web.Request, kind: type[Asked]) -> Asked:
    """The request's JSON, checked."""
    try:
        return kind.model_validate_json(await request.read())
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise UserError(*problems[:5]) from None


@web.middleware
async def sentences(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A user's mistake, a conflict or a missing thing is an answer, not a crash."""
    try:
        return await handler(request)
    except UserError as error:
        return answer({"error": "\n".join(error.problems)}, 422)
    except ConflictError as error:
        said = "the file was changed by another program; look at the entries again"
        entries = {name: list(pair) for name, pair in list(error.entries.items())[:20]}
        return answer({"error": said, "conflict": entries}, 409)
    except web.HTTPRequestEntityTooLarge:
        return answer({"error": "too much at once; choose fewer pictures"}, 413)
    except web.HTTPException as error:
        return answer({"error": error.reason}, error.status)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        request.app.logger.exception("%s", request.path)
        said = (
            f"a result in data/ or reports/ is not as its stage writes it ({type(error).__name__}: {error})"
        )
        return answer({"error": f"{said[:300]}; `dvc repro` writes it anew"}, 500)
