"""``python -m studio [COMMAND]``: teach, review and forget photos on this machine; without one, serve the page."""

import argparse
import sys
from collections.abc import Sequence

from bundle.errors import UserError
from pipeline.core.errors import PipelineError
from studio.errors import StudioError

HELP = """\
commands:
  serve    the page at http://127.0.0.1:8000, which can be taught (the command where none is named)
  review   list the photos that should be looked at, and carry out decisions on them (docs/review.md)
  forget   let photos leave every place that this machine can reach, and the models that knew them
  pull     bring what users of a deployed service have sent in

The service's settings are environment variables here as well: PORT, THREADS, … (`python -m service --help`)."""


def _serve(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m studio", description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, help="port to listen on (8000)")
    parser.add_argument(
        "--lan",
        action="store_true",
        help="let other devices of the local network teach, too: whoever has the address's token "
        "can change photos and models (docs/teach.md)",
    )
    given = parser.parse_args(argv)
    from studio import serve

    return serve.serve(given.port, lan=given.lan)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given and given[0] == "serve":
        given.pop(0)
    try:
        if given and given[0] in ("review", "pull"):
            from studio.review import command

            return command.main(given)
        if given and given[0] == "forget":
            from studio.forget import command as forgetting

            return forgetting.main(given[1:])
        return _serve(given)
    except (UserError, PipelineError, StudioError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as shells count it: 128 + SIGINT


if __name__ == "__main__":
    sys.exit(main())
