"""What can go wrong in the studio, said so that a person can act on it."""


class StudioError(Exception):
    """An error whose text names the culprit and the way out; ``status`` is its HTTP status."""

    status = 422


class NotFoundError(StudioError):
    """A step or a label that is not there (any more)."""

    status = 404


class BusyError(StudioError):
    """Something else changes photos or models at the moment."""

    status = 409
