"""LitServe: a LitAPI around the bundle, one inference worker and one HTTP server a core.

    python -m scripts.bench.service.peers.litserve_server

Its documentation advises `workers_per_device` for processors. A body that is declared as bytes arrives as it is.
Batching, which it advises for GPUs, makes a processor with one thread a worker no faster.
"""

import os
from typing import Annotated, Any

import litserve
from fastapi import Body

from scripts.bench.service.peers import engine


class Api(litserve.LitAPI):  # type: ignore[misc]  # not installed where types are checked
    """One picture a request."""

    def setup(self, device: str) -> None:  # noqa: ARG002  # LitServe's signature
        """Load the bundle once a worker."""
        self.engine = engine()

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/jpeg")]) -> bytes:
        """The body is the picture."""
        return request

    def predict(self, picture: bytes) -> dict[str, Any]:
        """Decode and infer."""
        return self.engine.identify(picture).to_json()

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """The answer is JSON already."""
        return output


if __name__ == "__main__":
    workers = int(os.environ["BENCH_WORKERS"])
    server = litserve.LitServer(Api(api_path="/identify"), accelerator="cpu", devices=1, workers_per_device=workers)
    port = int(os.environ["BENCH_PORT"])
    server.run(host="127.0.0.1", port=port, num_api_servers=workers, generate_client_file=False, log_level="info")
