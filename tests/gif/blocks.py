"""What is in a GIF, read from its blocks: frames, their delays, their own palettes, how often it is repeated."""

from dataclasses import dataclass
from pathlib import Path

TRAILER, EXTENSION, IMAGE = 0x3B, 0x21, 0x2C
GRAPHIC_CONTROL, APPLICATION, COMMENT = 0xF9, 0xFF, 0xFE


@dataclass
class Blocks:
    """delays: hundredths of a second; palettes: how many frames have one of their own; loop: None, not repeated."""

    size: tuple[int, int]
    delays: list[int]
    palettes: int
    loop: int | None
    comments: int


def read(path: Path) -> Blocks:
    """Go through the blocks of the GIF ``path``; an AssertionError where it is none, or is cut."""
    data = path.read_bytes()
    assert data[:6] == b"GIF89a"
    assert data[-1] == TRAILER
    size = (int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))
    found = Blocks(size, [], 0, None, 0)
    at = 13 + _table(data[10])
    while data[at] != TRAILER:
        if data[at] == EXTENSION:
            kind, at = data[at + 1], at + 2
            if kind == GRAPHIC_CONTROL:
                found.delays.append(int.from_bytes(data[at + 2 : at + 4], "little"))
            elif kind == APPLICATION and data[at + 1 : at + 12] == b"NETSCAPE2.0":
                found.loop = int.from_bytes(data[at + 14 : at + 16], "little")
            elif kind == COMMENT:
                found.comments += 1
        else:
            assert data[at] == IMAGE
            table = _table(data[at + 9])
            found.palettes += bool(table)
            at += 10 + table + 1
        while data[at]:
            at += data[at] + 1
        at += 1
    return found


def _table(flags: int) -> int:
    """Bytes of the palette that follows flags with their top bit set."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
