"""BentoML: a service around the bundle, one worker a core.

    bentoml serve scripts.bench.service.peers.bentoml_service:Identify --port PORT

Its documentation advises `workers`, and `pathlib.Path` for a file that the service reads itself;
a parameter by position alone is the request's body.
"""

import os
from pathlib import Path
from typing import Annotated, Any

import bentoml
from bentoml.validators import ContentType

from scripts.bench.service.peers import engine


@bentoml.service(workers=int(os.environ["BENCH_WORKERS"]), traffic={"timeout": 60})
class Identify:
    """One picture a request."""

    def __init__(self) -> None:
        """Load the bundle once a worker."""
        self.engine = engine()

    @bentoml.api  # type: ignore[untyped-decorator]
    def identify(self, image: Annotated[Path, ContentType("image/jpeg")], /) -> dict[str, Any]:
        """Decode and infer the picture that is the request's body."""
        return self.engine.identify(image.read_bytes()).to_json()
