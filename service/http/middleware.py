"""What goes around every answer: the host's name, request id, security headers, problems, a line in the log, a count.

All errors end up here, so that there is one place which turns them into answers.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bundle.errors import UserError
from service import log, problems
from service.http import state
from service.http.auth import is_our_name
from service.http.protocol import MAX_HEAD
from service.http.state import State
from service.problems import BAD_REQUEST, HEADERS, INTERNAL, NOT_READY, OVERLOADED, TIMEOUT, Problem
from service.settings import Settings

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
# Everything from here, nothing inline; wasm may be compiled (inference in the browser), camera pictures are blobs.
POLICY: Final = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
# Data, and the model card, which comes with the bundle: its pictures lie in it, and nothing of it runs or is sent.
DATA_POLICY: Final = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")

ENDPOINTS: Final = (
    *("/identify", "/model", "/model/card", "/model/card.html", "/model/{name}", "/v2", "/healthz", "/readyz"),
    *("/metrics", "/docs", "/openapi.json", "/"),
)
OTHER: Final = "other"  # the page's files among them
_PAGES: Final = ("/", "/docs", OTHER)  # documents and scripts
_QUIET: Final = ("/healthz", "/readyz", "/metrics")  # asked every few seconds by machines

LINGER_S: Final = 1.0  # how long to go on taking a body that is refused, so that its sender gets to read why
LINGER_BYTES: Final = 100_000_000  # and how much of it
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
        endpoint = endpoint_of(scope["path"])
        policy = POLICY if endpoint in _PAGES else DATA_POLICY
        own = [*SECURITY, (b"content-security-policy", policy.encode()), (b"x-request-id", request_id.encode())]
        service: State = scope["app"].state.service
        begun, status, outcome, is_read = time.perf_counter(), 0, "answered", False

        async def heard() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = not message.get("more_body")
            return message

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        try:
            if not is_ours:
                why = f"the service is not called {host[:100]!a}; name it in ALLOWED_HOSTS, or ask by IP address"
                raise Problem(BAD_REQUEST, why)
            if sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > MAX_HEAD:
                raise Problem(HEADERS, f"the head of the request is larger than {MAX_HEAD} bytes; send less")
            if endpoint == "/identify" and scope["method"] == "POST":
                service.queue.check(state.client_of(scope))  # before anything else: refusals have to cost little
            # HEAD is answered like GET, and the server leaves out the body. Parts of files are not given: their errors
            # would be of a shape of their own, and nobody needs them.
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            whole = [each for each in scope["headers"] if each[0] != b"range"]
            await self._app({**scope, "method": method, "headers": whole}, heard, dressed)
        except ClientDisconnect:
            outcome = "disconnected"
        except (Exception, asyncio.CancelledError) as error:
            if status:  # in the middle of an answer, which the server breaks off
                raise
            problem = _told(error, request_id)
            outcome = problem.kind.name
            if not is_read and problem.kind not in (TIMEOUT, NOT_READY):
                is_read = await _is_read(headers, receive)
            await _refuse(problem, request_id, dressed, is_read)
        finally:
            outcome = outcome if status else "disconnected"
            service.metrics.requests.labels(endpoint, outcome).inc()
            level = logging.DEBUG if endpoint in _QUIET and status < 400 else logging.INFO
            log.event(
                level,
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


def _told(error: BaseException, request_id: str) -> Problem:
    if isinstance(error, asyncio.CancelledError):  # the service stops, and GRACE_S is over
        return Problem(NOT_READY, "the service stops; ask again in a second")
    if isinstance(error, UserError | HTTPException | RequestValidationError):
        return problems.of(error)
    log.LOGGER.error("internal error", exc_info=error, extra={"fields": {"request_id": request_id}})
    return Problem(INTERNAL, "this is a fault of the service; its log has the request id")


async def _refuse(problem: Problem, request_id: str, send: Send, is_read: bool) -> None:
    """Answer with a problem.

    After a refusal for load the next request on the connection is not read for a moment: who heeds Retry-After does not
    notice, and who asks again at once can't take from the others more than a few refusals a second cost.
    """
    body = problem.details(request_id).model_dump_json().encode()
    headers = {"Content-Type": problems.MEDIA_TYPE, "Content-Length": str(len(body))} | problem.headers
    if not is_read or problem.kind is HEADERS:
        headers["Connection"] = "close"
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.kind.status, "headers": raw})
    if problem.kind is OVERLOADED:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await asyncio.sleep(IMPATIENT_S)
        body = b""
    await send({"type": "http.response.body", "body": body})


async def _is_read(headers: Mapping[bytes, bytes], receive: Receive) -> bool:
    """Throw the rest of a body away; whether that was all of it.

    Closing with unread data makes TCP reset the connection, which can take an answer away from its reader.
    """
    left = LINGER_BYTES
    if b"expect" in headers or int(headers.get(b"content-length", b"0")) > left:
        return False
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while left > 0 and (message := await receive())["type"] == "http.request":
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return True
    return False


def endpoint_of(path: str) -> str:
    """The address for the metrics: one of `ENDPOINTS`, or other, whatever clients think of."""
    if path in ENDPOINTS:
        return path
    if path.startswith("/model/"):
        return "/model/{name}"
    return "/v2" if path.startswith("/v2/") else OTHER
