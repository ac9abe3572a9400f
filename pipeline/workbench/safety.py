"""Who may ask for what: the own page alone, by name, token and origin."""

import hmac
from asyncio import Semaphore
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from pipeline.workbench.guard import Guard

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MOST_BODY_BYTES = 8 << 20
MOST_AT_ONCE = 64
READS = ("GET", "HEAD")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self';"
    " form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
EVENTS_PATH = "/events"
REPORT_PATH = "/reports/"
"""Below it a ticket in the address takes the cookie's place: static pages run in an origin of their own."""


def equal(given: str, right: str) -> bool:
    """In constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode())


def refused(status: int, sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=status, headers=HEADERS)


def guarding(guard: Guard) -> Any:
    """The middleware."""
    slots = Semaphore(MOST_AT_ONCE)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Host", "") not in guard.hosts:
            return refused(421, "this server answers to its own address alone; open the one that it printed")
        if request.path.startswith(REPORT_PATH) and request.method in READS:
            return await handler(request)
        if "token" in request.query and request.method == "GET":
            return _let_in(request, guard)
        if not equal(request.cookies.get(guard.cookie, ""), guard.token):
            return refused(401, "open the address with ?token= that `python -m pipeline.workbench` printed")
        if request.method not in READS and (no := _why_not_write(request, guard)):
            return refused(403, no)
        if request.path == EVENTS_PATH:  # streams have a limit of their own
            answer = await handler(request)
        else:
            async with slots:
                answer = await handler(request)
        return with_headers(answer)

    return middleware


def _let_in(request: web.Request, guard: Guard) -> web.StreamResponse:
    if not equal(request.query["token"], guard.token):
        return refused(401, "this token is of another start; open the address that is printed now")
    answer = web.Response(status=302, headers={**HEADERS, "Location": _own_path(request)})
    answer.set_cookie(guard.cookie, guard.token, path="/", httponly=True, samesite="Strict")
    return answer


def _own_path(request: web.Request) -> str:
    """The path without the token; never `//elsewhere`."""
    return "/" + request.rel_url.raw_path.lstrip("/\\")


def _why_not_write(request: web.Request, guard: Guard) -> str:
    if guard.read_only:
        return "this workbench was started with --read-only; nothing can be changed"
    if request.headers.get("Origin") != f"http://{request.headers['Host']}":
        return "only the workbench's own page may write"
    if request.content_type != "application/json" or request.headers.get("X-Athanor") != "1":
        return "a write is JSON with the header X-Athanor: 1"
    return ""


def with_headers(answer: web.StreamResponse) -> web.StreamResponse:
    if not answer.prepared:
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
    return answer
