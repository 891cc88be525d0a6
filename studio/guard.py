"""Who may use the studio: a browser that was opened with the printed address, on this machine.

The token comes with the address's fragment, which browsers send to nobody, and becomes a cookie that goes to /studio
alone: cookies know no ports, and other programs on this machine are no part of this.
"""

import hmac
import secrets
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import UNAUTHORIZED, Kind, Problem

COOKIE: Final = "studio"
OPEN: Final = "studio-open"  # tells the page that there is a session; nothing is granted for it
TOKEN: Final = Path(".studio/token")
FORBIDDEN: Final = Kind("forbidden", 403, "This page may not do that")
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
HOW: Final = "open the address that `make run` has printed"


def token(path: Path = TOKEN) -> str:
    """The token of this checkout, kept so that an open page outlives a restart; readable by its owner alone."""
    try:
        if len(kept := path.read_text().strip()) >= 32:
            return kept
    except OSError:
        pass
    made = secrets.token_urlsafe(32)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(made)
    return made


class Guard:
    """Checks requests for /studio/…; ``lan`` lets other names than those of this machine's loopback through."""

    def __init__(self, secret: str, *, lan: bool) -> None:
        self._secret = secret
        self._lan = lan
        self.entrance = f"/#studio={secret}"  # the page, after the address

    async def __call__(self, request: Request) -> None:
        """A dependency of every route.

        Raises:
            Problem: 403 for another host or page, 401 without the token.
        """
        self._check_page(request)
        if not self._is_known(request):
            raise Problem(UNAUTHORIZED, f"no session: {HOW}")

    def sign_in(self, request: Request, offered: str) -> Response:
        """Turn the token into a cookie.

        Raises:
            Problem: it is another one.
        """
        self._check_page(request)
        if not hmac.compare_digest(offered.encode(), self._secret.encode()):
            raise Problem(UNAUTHORIZED, f"that is not the token of this studio: {HOW}")
        response = Response(status_code=204)
        response.set_cookie(COOKIE, self._secret, path="/studio", httponly=True, samesite="strict")
        response.set_cookie(OPEN, "1", path="/", httponly=True, samesite="strict")
        return response

    def _check_page(self, request: Request) -> None:
        host = request.headers.get("host", "")
        if not self._lan and urlsplit(f"//{host}").hostname not in LOOPBACK:
            raise Problem(FORBIDDEN, "the studio answers on this machine alone; `--lan` opens it to others")
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Problem(FORBIDDEN, "another site's page may not use the studio")
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Problem(FORBIDDEN, "another site's page may not use the studio")

    def _is_known(self, request: Request) -> bool:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        offered = bearer if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
        return hmac.compare_digest(offered.encode(), self._secret.encode())


class Sign:
    """ASGI middleware: every answer says that this is a studio, and whether the browser has a session."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the header."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        sent = SimpleCookie(dict(scope["headers"]).get(b"cookie", b"").decode("latin-1"))

        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Studio"] = "open" if OPEN in sent else "locked"
            await send(message)

        return await self._app(scope, receive, signed)
