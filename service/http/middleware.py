"""What goes around every answer: the host's name, request id, security headers, a line in the log, a count.

The outermost layer, so that it also covers what fails below it.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import log
from service.http import problems
from service.http.auth import is_our_name
from service.metrics import Metrics

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
POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_PAGE_POLICY: Final = (b"content-security-policy", POLICY.encode())
# Data, and the model card, which comes with the bundle: its pictures lie in it, and nothing of it runs or is sent.
_DATA_POLICY: Final = (
    b"content-security-policy",
    b"default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)
_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")

ENDPOINTS: Final = (
    "/identify", "/model", "/model/card", "/model/card.html", "/model/{name}", "/v2", "/healthz", "/readyz", "/metrics", "/docs",
    "/openapi.json", "/",
)  # fmt: skip
OTHER: Final = "other"  # the page's files among them
_PAGES: Final = ("/", "/docs", OTHER)  # documents and scripts
_QUIET: Final = ("/healthz", "/readyz", "/metrics")  # asked every few seconds by machines


class Envelope:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, metrics: Metrics, hosts: Sequence[str]) -> None:
        """Go around ``app``; ``hosts`` are the names under which it is reached."""
        self._app = app
        self._metrics = metrics
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and watch what comes back."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        ours = is_our_name(host, self._hosts)
        if scope["type"] == "websocket":
            if not ours:
                return await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
            return await self._app(scope, receive, send)
        begun = time.perf_counter()
        endpoint = endpoint_of(scope["path"])
        status = 0

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                policy = _PAGE_POLICY if endpoint in _PAGES else _DATA_POLICY
                own = [policy, (b"x-request-id", request_id.encode())]
                message = {**message, "headers": [*message.get("headers", ()), *SECURITY, *own]}
            await send(message)

        method = scope["method"]
        # HEAD is answered like GET, and the server leaves out the body. Parts of files are not given: their errors
        # would be of a shape of their own, and nobody needs them.
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        scope = {**scope, "method": "GET" if method == "HEAD" else method, "headers": headers}
        try:
            if ours:
                await self._app(scope, receive, dressed)
            else:
                await problems.response(_stranger(host), Request(scope))(scope, receive, dressed)
        except asyncio.CancelledError:  # the service stops, and GRACE_S is over
            if status:
                raise
            problem = problems.Problem(problems.NOT_READY, "the service stops; ask again in a second")
            await problems.response(problem, Request(scope))(scope, receive, dressed)
        except Exception:  # a fault of ours: its client gets to know that, and nothing else
            log.LOGGER.exception("internal error", extra={"fields": {"request_id": request_id}})
            if status:
                raise  # in the middle of an answer, which the server breaks off
            detail = "this is a fault of the service; its log has the request id"
            problem = problems.Problem(problems.INTERNAL, detail)
            await problems.response(problem, Request(scope))(scope, receive, dressed)
        finally:
            self._note(scope, method, endpoint, status, (time.perf_counter() - begun) * 1e3)

    def _note(self, scope: Scope, method: str, endpoint: str, status: int, milliseconds: float) -> None:
        state = scope["state"]
        outcome = state.get("outcome") or ("answered" if 200 <= status < 400 else "disconnected")
        if status >= 500 and outcome == "disconnected":
            outcome = "internal"
        self._metrics.requests.labels(endpoint, outcome).inc()
        level = logging.DEBUG if endpoint in _QUIET and status < 400 else logging.INFO
        if log.LOGGER.isEnabledFor(level):
            model = scope["app"].state.service.queue.model
            log.event(
                level,
                "request",
                request_id=state["request_id"],
                method=method,
                path=scope["path"][:200],
                status=status,
                outcome=outcome,
                ms=round(milliseconds, 2),
                model=model.version if model else None,
            )


def _stranger(host: str) -> problems.Problem:
    why = f"the service is not called {host[:100]!a}; name it in ALLOWED_HOSTS, or ask by IP address"
    return problems.Problem(problems.BAD_REQUEST, why, {"Connection": "close"})


def endpoint_of(path: str) -> str:
    """The address for the metrics: one of `ENDPOINTS`, or other, whatever clients think of."""
    if path in ENDPOINTS:
        return path
    if path.startswith("/model/"):
        return "/model/{name}"
    return "/v2" if path.startswith("/v2/") else OTHER


def _request_id(scope: Scope) -> str:
    """The client's, where it sent a sane one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return str(value.decode("ascii"))
    return secrets.token_hex(8)
