"""What can go wrong in the pipeline, said so that a person can act on it."""

import argparse
import sys
from collections.abc import Callable, Sequence


class PipelineError(Exception):
    """An error whose text names the culprit and the way out; shown without a traceback."""


class ConfigError(PipelineError):
    """A setting in conf/ is missing, unknown or out of range."""


class DataError(PipelineError):
    """Photos, manifest or split can't be used as they are."""


class TrackingError(PipelineError):
    """The MLflow store can't be reached, read or written."""


class StorageError(PipelineError):
    """A file can't be written: disk full, no permission, read-only file system."""


def run_stage(stage: Callable[[], None], *, description: str | None = None, argv: Sequence[str] | None = None) -> int:
    """Run ``stage`` and return the exit status of the process: 0, 1 on a PipelineError, 130 on Ctrl-C.

    With a ``description`` the command line ``argv`` is looked at first, for ``--help`` and for arguments that the
    stage, which takes none, would not notice.
    """
    if description:
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.parse_args(argv)
    try:
        stage()
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing was changed by this stage", file=sys.stderr)
        return 130
    return 0
