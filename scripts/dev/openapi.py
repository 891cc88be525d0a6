"""Types of the page from the service's OpenAPI document: web/src/api.gen.ts.

    python -m scripts.dev.openapi            # write them
    python -m scripts.dev.openapi --check    # exit status 1 where they are not what the service says

The document comes from the application itself, without a service that runs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.core.files import write_text
from scripts.dev import node
from scripts.dev.environment import SetupError
from service.http.app import create_app
from service.settings import Settings

TYPES: Final = Path("src/api.gen.ts")  # in web/
REMAKE: Final = "python -m scripts.dev.openapi"


def document() -> bytes:
    """The OpenAPI document of a service with the default settings."""
    return json.dumps(create_app(Settings.model_validate({})).openapi()).encode()


def types(web: Path = node.WEB) -> str:
    """What api.gen.ts has to be.

    Raises:
        SetupError: there is no Node, or its packages or the generator failed.
    """
    env = node.variables(node.folder())
    node.packages(web, env)
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "openapi.json"), Path(folder, "api.gen.ts")
        given.write_bytes(document())
        command = ["npm", "run", "--silent", "api", "--", str(given), "-o", str(made)]
        run = subprocess.run(command, cwd=web, env=env, capture_output=True, text=True, check=False)
        if run.returncode or not made.exists():
            raise SetupError(f"openapi-typescript failed:\n{run.stdout}{run.stderr}")
        return made.read_text(encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check; exit status 0, or 1 with a sentence."""
    parser = argparse.ArgumentParser(prog="python -m scripts.dev.openapi", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 where they differ")
    arguments = parser.parse_args(argv)
    path = node.WEB / TYPES
    try:
        wanted = types()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    if not arguments.check:
        write_text(path, wanted)
    elif path.read_text(encoding="utf-8") != wanted:
        print(f"{path} is not what the service says any more; run `{REMAKE}`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
