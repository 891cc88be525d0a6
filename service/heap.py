"""The C heap of a worker, told to give memory back.

glibc raises its own thresholds after a large picture was freed, and then keeps what later ones leave, for ever;
and it makes an arena for each thread. Source: mallopt(3).
"""

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

_OWN_MAPPING: Final = (
    4 << 20
)  # bytes; a camera's picture is smaller and stays fast, a phone's is given back at once


def tune() -> None:
    """Fix the thresholds; call it before threads start. Does nothing where there is no glibc."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _OWN_MAPPING)
        libc.mallopt(_M_TRIM_THRESHOLD, _OWN_MAPPING)
        libc.mallopt(_M_ARENA_MAX, 2)


def trim() -> None:
    """Give back what is free now, as after a model was replaced."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
