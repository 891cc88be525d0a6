"""Why a picture is not inferred.

UserError
└── NotInferred
    ├── NoModel         none is loaded yet
    ├── Overloaded      as many pictures wait as may, of all clients or of this one
    └── TooLate         it waited longer than its deadline
"""

from bundle.errors import UserError


class NotInferred(UserError):
    """A picture is not inferred, and its sender may try again."""


class NoModel(NotInferred):
    """No model is loaded yet."""


class Overloaded(NotInferred):
    """As many pictures wait as may; ``limit`` is the name of the limit in the metrics."""

    def __init__(self, text: str, limit: str) -> None:
        super().__init__(text)
        self.limit = limit


class TooLate(NotInferred):
    """A picture waited longer than its deadline."""
