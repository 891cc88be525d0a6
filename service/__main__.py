"""``python -m service [COMMAND]``: what the service offers on the command line; without a command, it serves."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from bundle.errors import UserError
from service import settings

COMMANDS: Final = ("serve", "health", "identify")
_HELP: Final = """\
commands:
  serve           serve a model over HTTP and WebSocket; the command where none is named
  health          say whether the service here is ready, by exit status and in a sentence
  identify PHOTO  say what is in photos (`python -m service identify --help`)

examples:
  python -m service
  PORT=9000 python -m service --threads 1
  MLFLOW_TRACKING_URI=http://127.0.0.1:5000 MODEL=models:/art-text-plant@champion python -m service"""


def run(command: str, argv: Sequence[str]) -> int:
    """Run a command; the exit status. What it needs is imported for it alone.

    Raises:
        UserError: it can't.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m service {command}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if command == "identify":
        from service.cli import identify

        identify.add_arguments(parser)
        return identify.run(parser.parse_args(argv))
    parser.description = "Serve a promoted model. Each option is also an environment variable, named in brackets."
    parser.epilog = _HELP
    settings.add_arguments(parser)
    values = settings.read(vars(parser.parse_args(argv)))
    if command == "health":
        from service.cli import health

        print(f"ready: serves {health.check(values)}")
        return 0
    from service import budget

    budget.check(values)  # before anything large is imported
    from service.cli import serve

    return serve.main(values)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # file names need not be text
    given = list(sys.argv[1:] if argv is None else argv)
    command = given.pop(0) if given and given[0] in COMMANDS else "serve"
    try:
        return run(command, given)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit is quiet
        return 1
    except KeyboardInterrupt:
        return 130  # as shells count it: 128 + SIGINT


if __name__ == "__main__":
    sys.exit(main())
