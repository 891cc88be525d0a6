"""How much memory the service may come to hold, reckoned from its settings, and refused where it does not fit.

Each term is a limit that the code enforces, times what it costs at the most (measured; tests/service/test_budget.py
drives a service to these limits and looks).
"""

from typing import Final

from bundle.errors import UserError
from service import quota
from service.settings import Settings

BASE: Final = 175_000_000  # Python, its packages, the engine's libraries, and what compiling a model takes
MODEL: Final = 50_000_000  # a loaded model of the default size; two at a swap
CONNECTION: Final = 350_000  # what is read of a request before the application takes it: 64 KB and one read of 256 KB
STREAM: Final = 100_000  # beside its frames


def worst_case(settings: Settings) -> dict[str, int]:
    """Bytes by what they are for."""
    threads = settings.threads or quota.cores()
    return {
        "process and two models": BASE + 2 * MODEL,
        f"DECODE_BYTES x {threads} threads": settings.decode_bytes * threads,
        "BUFFER_BYTES": settings.buffer_bytes,
        "STREAMS x FRAME_BYTES": settings.streams * (settings.frame_bytes + STREAM),
        "CONNECTIONS": settings.connections * CONNECTION,
    }


def check(settings: Settings, limit: int | None) -> None:
    """Say it at the start where the memory would not suffice: the kernel would end the process without a word.

    Raises:
        UserError: what is held at most is more than ``limit`` bytes; names the parts.
    """
    parts = worst_case(settings)
    if limit is not None and sum(parts.values()) > limit:
        said = ", ".join(f"{name} {count / 1e6:.0f}" for name, count in parts.items())
        raise UserError(
            f"the memory limit of {limit / 1e6:.0f} MB is too small: {sum(parts.values()) / 1e6:.0f} MB may be needed "
            f"({said}); raise it, or lower these settings"
        )
