"""The stages ``recordings`` and ``gif`` of dvc.yaml; what `pip install .` packs is all of scripts/gif but this."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.core.errors import PipelineError

from ..errors import GifError


@contextmanager
def as_pipeline_errors() -> Iterator[None]:
    """A GifError inside becomes a PipelineError with the same text."""
    try:
        yield
    except GifError as error:
        raise PipelineError(str(error)) from error
