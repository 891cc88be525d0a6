"""The page at `/`: the built one (``web/dist``), or a small one that takes a picture."""

import html
import mimetypes
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from service.http import state

INDEX: Final = "index.html"
HASHED: Final = "assets/"  # Vite names what lies here by its content
FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))  # files that a build has compressed already, best first

STYLE: Final = """\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; }
:target { background: #fd03; }
"""
_BUILT_IN: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>What is it?</title>
<link rel="stylesheet" href="/built-in.css">
<h1>What is it?</h1>
<p>{what}</p>
<form action="/identify" method="post" enctype="multipart/form-data">
<p><label>A picture (JPEG, PNG or WebP): <input type="file" name="image" accept="image/*" required></label>
<button>What is it?</button></p>
</form>
<p>The page with the camera is not built here ({page} is missing). <a href="/docs">All addresses</a>,
<a href="/model">the manifest</a> and <a href="/model/card">the card</a> of the model.</p>
</html>
"""


class Page(StaticFiles):
    """Starlette's static files, with compressed ones where a build left them, and a page where there is no build."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file of the page.

        Raises:
            HTTPException: 404, or 405 for anything but GET.
        """
        if scope["type"] != "http":  # a WebSocket anywhere but at /stream
            await send({"type": "websocket.close", "code": 1008, "reason": "the stream is at /stream"})
            return
        await super().__call__(scope, receive, send)

    async def check_config(self) -> None:
        """The folder may be missing."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at a path, compressed where the client takes it and there is such a file."""
        name = INDEX if path == "." else path
        if not self._has(name):
            return self._built_in(name, scope)
        accepted = Headers(scope=scope).get("accept-encoding", "").split(",")
        offered = {each.partition(";")[0].strip().lower() for each in accepted if "q=0" not in each}
        for encoding, suffix in ENCODINGS:
            if encoding in offered and self._has(name + suffix):
                response = await super().get_response(name + suffix, scope)
                response.headers["Content-Encoding"] = encoding
                break
        else:
            response = await super().get_response(name, scope)
        if media := mimetypes.guess_type(name)[0]:
            response.headers["Content-Type"] = media
        response.headers["Cache-Control"] = FOREVER if name.startswith(HASHED) else ASK_AGAIN
        response.headers["Vary"] = "Accept-Encoding"
        return response

    def _has(self, name: str) -> bool:
        try:
            full, stat = self.lookup_path(name)
            return stat is not None and Path(full).is_file()
        except (OSError, ValueError):  # a name too long, or with a zero byte in it
            return False

    def _built_in(self, name: str, scope: Scope) -> Response:
        if name not in (INDEX, "built-in.css"):
            raise HTTPException(404)
        if scope["method"] != "GET":
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        headers = {"Cache-Control": ASK_AGAIN}
        if name != INDEX:
            return Response(STYLE, media_type="text/css", headers=headers)
        model = state.of(Request(scope)).queue.model
        what = "No model is loaded yet."
        if model is not None:
            what = f"The model {model.version} tells apart: {', '.join(model.bundle.manifest.labels)}."
        page = html.escape(str(self._folder))
        return HTMLResponse(_BUILT_IN.format(what=html.escape(what), page=page), headers=headers)
