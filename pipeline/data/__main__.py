"""The rows of the manifest: ``adopt`` adds those of new photos, ``attribution`` writes ATTRIBUTION.md from them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from pipeline.core import config
from pipeline.core.errors import run_stage
from pipeline.data import adoption, attribution
from pipeline.data.settings import DataSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``adopt`` or ``attribution``."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("adopt", help="add rows for new photos, drop rows of deleted ones")
    write = commands.add_parser("attribution", help="write ATTRIBUTION.md from the manifest")
    write.add_argument("--check", action="store_true", help="fail if the file is not up to date")
    write.add_argument("--file", type=Path, default=Path("ATTRIBUTION.md"))
    arguments = parser.parse_args(argv)

    def stage() -> None:
        settings = config.load("data", DataSettings)
        if arguments.command == "adopt":
            adoption.adopt(settings)
        else:
            attribution.update(settings.manifest, cast(Path, arguments.file), check=arguments.check)

    return run_stage(stage)


if __name__ == "__main__":
    sys.exit(main())
