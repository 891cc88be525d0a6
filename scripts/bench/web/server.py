"""Folders over HTTP on 127.0.0.1, with the headers that let a page run threads."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

ISOLATED: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


class _Handler(SimpleHTTPRequestHandler):
    """Finds the folder by the first part of the address; "" is the folder of all that has no other."""

    protocol_version = "HTTP/1.1"

    def __init__(self, folders: Mapping[str, Path], headers: Mapping[str, str], *rest: Any) -> None:
        self._folders = folders
        self._headers = headers
        super().__init__(*rest)

    def translate_path(self, path: str) -> str:
        first, _, rest = unquote(urlsplit(path).path).lstrip("/").partition("/")
        folder = self._folders.get(first)
        name = rest if folder else "/".join(filter(None, (first, rest)))
        root = (folder or self._folders[""]).resolve()
        file = (root / name).resolve()
        return str(file if file.is_relative_to(root) else root / "no such file")

    def end_headers(self) -> None:
        for name, value in self._headers.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def folders(served: Mapping[str, Path], headers: Mapping[str, str] = ISOLATED) -> Iterator[str]:
    """Serve ``served``, by the first part of the address; give the address of the root, with a slash."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, served, headers)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
