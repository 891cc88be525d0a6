"""How much memory the service may come to hold, reckoned from its settings, and refused where it does not fit.

Each term is a limit that the code enforces, times what it costs at the most (measured; tests/service/test_budget.py
drives a service to these limits and looks).
"""

import ctypes
from typing import Final

from bundle.errors import UserError
from service import quota
from service.settings import Settings

_ARENA_MAX: Final = -8  # glibc's name in malloc.h: M_ARENA_MAX
_ARENAS: Final = 2
PROCESS: Final = 275_000_000  # Python and its packages 175 MB at most, two models of the default size at a swap
CONNECTION: Final = 350_000  # what is read of a request before the application takes it: 64 KB and one read of 256 KB
STREAM: Final = 100_000  # beside its frames


def worst_case(settings: Settings) -> dict[str, int]:
    """Bytes by what they are for."""
    threads = settings.threads or quota.cores()
    return {
        "process and two models": PROCESS,
        f"DECODE_BYTES x {threads} threads": settings.decode_bytes * threads,
        "BUFFER_BYTES": settings.buffer_bytes,
        "STREAMS x FRAME_BYTES": settings.streams * (settings.frame_bytes + STREAM),
        "CONNECTIONS": settings.connections * CONNECTION,
    }


def check(settings: Settings) -> None:
    """Say it at the start where the memory would not suffice: the kernel would end the process without a word.

    Raises:
        UserError: the service may come to hold more than the memory limit; names the parts.
    """
    parts, limit = worst_case(settings), quota.memory()
    if limit is not None and sum(parts.values()) > limit:
        said = ", ".join(f"{name} {count / 1e6:.0f}" for name, count in parts.items())
        raise UserError(
            f"the memory limit of {limit / 1e6:.0f} MB is too small: {sum(parts.values()) / 1e6:.0f} MB may be needed "
            f"({said}); raise it, or lower these settings"
        )


def limit_arenas() -> None:
    """Keep the C heap in few pieces; call it before threads start.

    glibc gives a heap to each thread, up to eight a core, and what a model leaves free in one is of no use to another.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Let the C heap return what compiling a model, or a model that was replaced, left free (glibc keeps it)."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
