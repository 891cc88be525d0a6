"""The page at `/`: the built one (``web/dist``), or a small one that says what is served and takes a picture."""

import html
import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from service.state import State

INDEX: Final = "index.html"
HASHED: Final = "assets/"  # Vite names what lies here by its content
FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
ENCODINGS: Final = (
    ("br", ".br"),
    ("gzip", ".gz"),
)  # files that a build may have compressed already, best first

STYLE_SOURCE: Final = "/built-in.css"  # the policy allows no style inside a page
STYLE: Final = """\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } code, pre { font-size: .9em; overflow-x: auto; } pre { padding: .7rem; background: #8882; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
section { border-top: 1px solid #8886; margin-top: 1.5rem; } :target { background: #fd03; }
"""
_BUILT_IN: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<link rel="stylesheet" href="{style}">
<h1>{title}</h1>
<p>{what}</p>
<form action="/identify" method="post" enctype="multipart/form-data">
<p><label>A picture (JPEG, PNG or WebP): <input type="file" name="image" accept="image/*" required></label>
<button>What is it?</button></p>
</form>
<p>The page with the camera is not built here ({page} is missing). <a href="/docs">All addresses</a>,
<a href="/model">the manifest</a> and <a href="/model/card">the card</a> of the model.</p>
</html>
"""


class WholeFile(FileResponse):
    """A file, never a part of it: ranges would bring errors of a shape of their own, and nobody needs them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        self.headers["Accept-Ranges"] = "none"
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)


class Page:
    """ASGI application for all that no route takes."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._root = state.settings.page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file of the page.

        Raises:
            HTTPException: 404, or 405 for anything but GET.
        """
        if scope["type"] != "http":  # a WebSocket anywhere but at /stream
            await send({"type": "websocket.close", "code": 1008, "reason": "the stream is at /stream"})
            return
        await self._respond(Request(scope))(scope, receive, send)

    def _respond(self, request: Request) -> Response:
        path = request.url.path.removeprefix("/")
        found = self._find(path or INDEX)
        if found is None and request.url.path not in ("/", STYLE_SOURCE):
            raise HTTPException(404)
        if request.method != "GET":
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        if found is not None:
            return _send(found, path or INDEX, request.headers.get("accept-encoding", ""))
        if path:
            return Response(STYLE, media_type="text/css", headers={"Cache-Control": ASK_AGAIN})
        return HTMLResponse(self._built_in(), headers={"Cache-Control": ASK_AGAIN})

    def _find(self, path: str) -> Path | None:
        """The file, if it lies in the page's folder; no link and no `..` leads out of it."""
        if "\0" in path:
            return None
        try:
            root = self._root.resolve()
            file = (root / path).resolve()
            return file if file.is_relative_to(root) and file.is_file() else None
        except OSError:  # a name too long, say
            return None

    def _built_in(self) -> str:
        served = self._state.line.served
        labels = ", ".join(served.bundle.manifest.labels) if served else ""
        what = (
            f"The model {served.version} tells apart: {labels}."
            if served
            else self._state.trouble or "No model yet."
        )
        title = "What is it?"
        page = html.escape(str(self._root))
        return _BUILT_IN.format(title=title, what=html.escape(what), style=STYLE_SOURCE, page=page)


def _send(file: Path, name: str, accepted: str) -> Response:
    headers = {"Cache-Control": FOREVER if name.startswith(HASHED) else ASK_AGAIN, "Vary": "Accept-Encoding"}
    media = "text/javascript" if name.endswith((".js", ".mjs")) else mimetypes.guess_type(name)[0]
    for encoding, compressed in _compressed(file, accepted):
        return WholeFile(compressed, media_type=media, headers=headers | {"Content-Encoding": encoding})
    return WholeFile(file, media_type=media, headers=headers)


def _compressed(file: Path, accepted: str) -> Iterator[tuple[str, Path]]:
    offered = {each.partition(";")[0].strip().lower() for each in accepted.split(",") if "q=0" not in each}
    for encoding, suffix in ENCODINGS:
        if encoding in offered and (compressed := file.with_name(file.name + suffix)).is_file():
            yield encoding, compressed
