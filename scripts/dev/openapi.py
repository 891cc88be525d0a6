"""Types of the page from the service's OpenAPI document: `python -m scripts.dev.openapi [FILE]` (web/src/api.gen.ts).

The document comes from the application itself, without a service that runs; openapi-typescript makes the types.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from pipeline.core.errors import PipelineError, run_stage
from pipeline.core.files import write_text
from scripts.dev import node
from service.http.app import create_app
from service.settings import Settings

TYPES: Final = node.WEB / "src/api.gen.ts"


def write(target: Path) -> None:
    """Write the types to ``target``, whole or not at all.

    Raises:
        PipelineError: there is no Node, or its packages or the generator failed.
    """
    env = node.env()
    node.packages(node.WEB, env)
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "openapi.json"), Path(folder, "api.gen.ts")
        app = create_app(Settings.model_validate({"feedback": folder}))  # else there is no /feedback
        given.write_text(json.dumps(app.openapi()), encoding="utf-8")
        command = ["npm", "run", "--silent", "api", "--", str(given), "-o", str(made)]
        run = subprocess.run(command, cwd=node.WEB, env=env, capture_output=True, text=True, check=False)
        if run.returncode or not made.exists():
            raise PipelineError(f"openapi-typescript failed:\n{run.stdout}{run.stderr}")
        write_text(target, made.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(run_stage(lambda: write(Path(sys.argv[1]) if len(sys.argv) > 1 else TYPES)))
