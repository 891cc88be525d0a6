"""The three requests that the service asks of MLflow, answered for one model: `one_model_registry.py FOLDER`.

It runs in a container of the image under test, on the standard library alone. FOLDER/N is the bundle of version N;
the highest N is the champion.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    """Answers GET."""

    folder = Path()

    def do_GET(self) -> None:
        """The champion, or a file of a version."""
        asked = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        if asked.path == "/model-versions/get-artifact":
            path = self.folder / query["version"] / query["path"]
            body = path.read_bytes() if path.is_file() else None
        elif versions := [int(path.name) for path in self.folder.iterdir() if path.name.isdigit()]:
            body = json.dumps({"model_version": {"version": str(max(versions)), "tags": []}}).encode()
        else:
            body = None
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"RESOURCE_DOES_NOT_EXIST")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    Handler.folder = Path(sys.argv[1])
    ThreadingHTTPServer(("0.0.0.0", 5000), Handler).serve_forever()
