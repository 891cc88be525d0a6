"""What goes around every answer: the host's name, request id, security headers, problems, a line in the log, a count.

All errors end up here, so that there is one place which turns them into answers.
"""

import asyncio
import logging
import re
import secrets
import time
from typing import Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bundle.errors import UserError
from service import log, problems
from service.http import state
from service.http.auth import is_our_name
from service.http.state import State
from service.problems import BAD_REQUEST, INTERNAL, NOT_READY, OVERLOADED, TIMEOUT, Problem
from service.settings import Settings

# Everything from here, nothing inline; wasm may be compiled (inference in the browser), camera pictures are blobs.
POLICY: Final = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
# Data, and the model card, which comes with the bundle: its pictures lie in it, and nothing of it runs or is sent.
DATA_POLICY: Final = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# A page with COOP and COEP is isolated: its clocks are fine ones, and its threads may share memory. CORP keeps other
# sites from embedding our answers; a page of a configured origin asks with CORS, to which it does not apply.
SECURITY: Final = [
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
]
IDENTIFY: Final = "/identify"
OTHER: Final = "other"  # the page's files among them
_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_PAGES: Final = (OTHER, "/docs")  # documents and scripts
_QUIET: Final = ("/healthz", "/readyz", "/metrics")  # asked every few seconds by machines

IMPATIENT_S: Final = 0.1  # a connection that was refused for load is read again only then


class Envelope:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = settings.allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and watch what comes back."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = dict(scope["headers"])
        asked_id = headers.get(b"x-request-id", b"")
        request_id = asked_id.decode() if _ID.fullmatch(asked_id) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        host = headers.get(b"host", b"").decode("latin-1")
        is_ours = is_our_name(host, self._hosts)
        if scope["type"] == "websocket":
            if not is_ours:
                return await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
            return await self._app(scope, receive, send)
        # HEAD is answered like GET, and the server leaves out the body. Parts of files are not given: nobody needs
        # them, and their errors would be of a shape of their own.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        inner = {**scope, "method": method, "headers": [each for each in scope["headers"] if each[0] != b"range"]}
        service: State = scope["app"].state.service
        begun, status, outcome = time.perf_counter(), 0, "answered"

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                policy = POLICY if _endpoint(inner) in _PAGES else DATA_POLICY
                own = [(b"content-security-policy", policy.encode()), (b"x-request-id", request_id.encode())]
                message = {**message, "headers": [*message.get("headers", ()), *SECURITY, *own]}
            await send(message)

        try:
            if not is_ours:
                why = f"the service is not called {host[:100]!a}; name it in ALLOWED_HOSTS, or ask by IP address"
                raise Problem(BAD_REQUEST, why)
            if scope["path"] == IDENTIFY and method == "POST":
                service.queue.check(state.client_of(scope))  # before anything else: refusals have to cost little
            await self._app(inner, receive, dressed)
        except ClientDisconnect:
            outcome = "disconnected"
        except (Exception, asyncio.CancelledError) as error:
            if status:  # in the middle of an answer, which the server breaks off
                raise
            problem = _told(error, request_id)
            outcome = problem.kind.name
            if problem.kind is TIMEOUT or b"expect" in headers:  # else the server reads the rest of a body
                problem.headers = {**(problem.headers or {}), "Connection": "close"}
            await _refuse(problem, request_id, dressed)
        finally:
            endpoint = _endpoint(inner)
            outcome = outcome if status else "disconnected"
            service.metrics.requests.labels(endpoint, outcome).inc()
            log.event(
                logging.DEBUG if endpoint in _QUIET and status < 400 else logging.INFO,
                "request",
                request_id=request_id,
                method=scope["method"],
                path=scope["path"][:200],
                status=status,
                outcome=outcome,
                ms=round((time.perf_counter() - begun) * 1e3, 2),
                model=service.queue.model.version if service.queue.model else None,
            )
        return None


def _endpoint(scope: Scope) -> str:
    """The address for the metrics: the path of a route, whatever clients think of."""
    if scope["path"] == IDENTIFY:  # which may be refused before the router has seen it
        return IDENTIFY
    return str(getattr(scope.get("route"), "path", OTHER))


def _told(error: BaseException, request_id: str) -> Problem:
    if isinstance(error, asyncio.CancelledError):  # the service stops, and GRACE_S is over
        return Problem(NOT_READY, "the service stops; ask again in a second")
    if isinstance(error, UserError | HTTPException | RequestValidationError):
        return problems.of(error)
    log.LOGGER.error("internal error", exc_info=error, extra={"fields": {"request_id": request_id}})
    return Problem(INTERNAL, "this is a fault of the service; its log has the request id")


async def _refuse(problem: Problem, request_id: str, send: Send) -> None:
    """Answer with a problem.

    After a refusal for load the next request on the connection is not read for a moment: who heeds Retry-After does not
    notice, and who asks again at once can't take from the others more than a few refusals a second cost.
    """
    body = problem.details(request_id).model_dump_json().encode()
    headers = {"Content-Type": problems.MEDIA_TYPE, "Content-Length": str(len(body)), **(problem.headers or {})}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.kind.status, "headers": raw})
    if problem.kind is OVERLOADED:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await asyncio.sleep(IMPATIENT_S)
        body = b""
    await send({"type": "http.response.body", "body": body})
