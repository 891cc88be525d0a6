"""Types of the page from the service's OpenAPI document: web/src/api.gen.ts.

    python -m scripts.dev.openapi            # write them
    python -m scripts.dev.openapi --check    # exit status 1 where they are not what the service says

The document comes from the application itself, without a service that runs; openapi-typescript makes the types.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from pipeline.core.files import write_text
from scripts.dev import node
from scripts.dev.environment import SetupError
from service.http.app import create_app
from service.settings import Settings

TYPES: Final = node.WEB / "src/api.gen.ts"


def types() -> str:
    """What api.gen.ts has to be.

    Raises:
        SetupError: there is no Node, or its packages or the generator failed.
    """
    env = node.env()
    node.packages(node.WEB, env)
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "openapi.json"), Path(folder, "api.gen.ts")
        given.write_text(json.dumps(create_app(Settings.model_validate({})).openapi()), encoding="utf-8")
        command = ["npm", "run", "--silent", "api", "--", str(given), "-o", str(made)]
        run = subprocess.run(command, cwd=node.WEB, env=env, capture_output=True, text=True, check=False)
        if run.returncode or not made.exists():
            raise SetupError(f"openapi-typescript failed:\n{run.stdout}{run.stderr}")
        return made.read_text(encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write or check; exit status 0, or 1 with a sentence."""
    try:
        wanted = types()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments != ["--check"]:
        write_text(TYPES, wanted)
    elif TYPES.read_text(encoding="utf-8") != wanted:
        print(f"{TYPES} is not what the service says any more; run `python -m scripts.dev.openapi`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
