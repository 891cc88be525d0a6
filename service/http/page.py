"""The page at `/`: what was built into ``web/dist``; where nothing was, `/docs` takes a picture."""

import mimetypes
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from service.http.routes import ASK_AGAIN, FOREVER

INDEX: Final = "index.html"
HASHED: Final = "assets/"  # Vite names what lies here by its content
ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}  # files that a build has compressed already, best first


class Page(StaticFiles):
    """Starlette's static files, with compressed ones where a build left them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file of the page.

        Raises:
            HTTPException: 404, or 405 for anything but GET.
        """
        if scope["type"] == "http":
            await super().__call__(scope, receive, send)
        else:  # a WebSocket anywhere but at /stream
            await send({"type": "websocket.close", "code": 1008, "reason": "the stream is at /stream"})

    async def check_config(self) -> None:
        """The folder may be missing."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at a path, compressed where the client takes it and there is such a file."""
        name = INDEX if path == "." else path
        if not self._has(name):
            if name == INDEX and scope["method"] == "GET":
                return RedirectResponse("/docs")
            raise HTTPException(405 if name == INDEX else 404, headers={"Allow": "GET, HEAD"})
        offered = Headers(scope=scope).get("accept-encoding", "").replace(" ", "").lower().split(",")
        found = [each for each, suffix in ENCODINGS.items() if each in offered and self._has(name + suffix)]
        response = await super().get_response(name + (ENCODINGS[found[0]] if found else ""), scope)
        response.headers.update({"Content-Encoding": found[0]} if found else {})
        response.headers["Content-Type"] = mimetypes.guess_type(name)[0] or "application/octet-stream"
        response.headers["Cache-Control"] = FOREVER if name.startswith(HASHED) else ASK_AGAIN
        response.headers["Vary"] = "Accept-Encoding"
        return response

    def _has(self, name: str) -> bool:
        try:
            full, stat = self.lookup_path(name)
            return stat is not None and Path(full).is_file()
        except (OSError, ValueError):  # a name too long, or with a zero byte in it
            return False
