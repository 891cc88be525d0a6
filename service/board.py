"""Numbers that all processes of the service see: a page of shared memory, made before they are forked.

Each number has one writer and is eight aligned bytes, so it needs no lock.
"""

import mmap
from typing import Final

_FIELDS: Final = ("closed", "beat_ms", "streams")
_CLOSED, _BEAT, _STREAMS = range(3)


class Place:
    """The numbers of one worker."""

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    @property
    def closed(self) -> int:
        """Connections that it was handed and that have ended."""
        return int(self._cells[_CLOSED])

    @closed.setter
    def closed(self, value: int) -> None:
        self._cells[_CLOSED] = value

    @property
    def beat_ms(self) -> int:
        """When it last said that it is well; milliseconds of time.monotonic(), 0 for never."""
        return int(self._cells[_BEAT])

    @beat_ms.setter
    def beat_ms(self, value: int) -> None:
        self._cells[_BEAT] = value

    @property
    def streams(self) -> int:
        """Open /stream connections."""
        return int(self._cells[_STREAMS])

    @streams.setter
    def streams(self, value: int) -> None:
        self._cells[_STREAMS] = value

    def clear(self) -> None:
        """Forget a worker that died."""
        for cell in range(len(_FIELDS)):
            self._cells[cell] = 0


class Board:
    """The numbers of all workers."""

    def __init__(self, places: int) -> None:
        width = len(_FIELDS)
        cells = memoryview(mmap.mmap(-1, 8 * width * places)).cast("q")
        self._places = [Place(cells[width * place : width * (place + 1)]) for place in range(places)]

    def place(self, number: int) -> Place:
        """The numbers of worker ``number``."""
        return self._places[number]

    @property
    def streams(self) -> int:
        """Open /stream connections of all workers."""
        return sum(place.streams for place in self._places)
