"""The rows of a run and the tables of docs/bench-web.md."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scripts.bench.results import table, yes

OURS = "ours"
NAMES = {  # of those that run in workers
    OURS: "ours",
    "fused": "TensorFlow.js, folded and fused",
    "layers": "TensorFlow.js, layer by layer",
    "newest": "onnxruntime-web, the newest, its own kernels",
    "litert": "LiteRT.js 2.5 with XNNPACK",
}
THREADS = (1, 2)
AHEAD = 1.5  # of TensorFlow.js, on one thread
MAIN_MS = 6.0
CAMERA_FPS = 30.0
KEPT_UP = 0.97  # of the camera's rate counts as all of it: the page counts over two seconds
PAGE_BYTES = 150_000
FIRST_MS = 1500.0


@dataclass(frozen=True)
class Row:
    """One line of the CSV file: a contender in a worker, or the page in one of its modes. Times in ms."""

    what: str  # worker: frames without a pause; page: the whole page with its camera; evidence: with that over it
    who: str  # a key of NAMES; of the page server or device
    threads: int = 0  # of inference; 0 where the service infers
    turn: int = 0
    seconds: float = 0.0
    frames: int = 0
    fps: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    main_ms: float = 0.0  # of page and evidence: its main thread, for each frame that was answered
    first_ms: float = 0.0  # of the page: from the camera's first picture to the first word


def median(rows: Sequence[Row], what: str, who: str, threads: int, figure: str) -> float | None:
    """Of the turns; None where there was none."""
    own = (row for row in rows if (row.what, row.who, row.threads) == (what, who, threads))
    values = [value for row in own if (value := getattr(row, figure))]
    return statistics.median(values) if values else None


def report(rows: Sequence[Row], page_bytes: int, device_bytes: int) -> str:
    """All of it as Markdown."""
    pages = ("answers from", "evidence over the picture", "a second", "P50 ms", "P95 ms", "P99 ms", "main thread, ms")
    targets = table(("target", "found", ""), expectations(rows, page_bytes, device_bytes))
    workers = table(("frames/s in workers (P50 / P95 ms)", *(f"{each} threads" for each in THREADS)), _workers(rows))
    return "\n\n".join([targets, workers, table(pages, _pages(rows))])


def expectations(rows: Sequence[Row], page_bytes: int, device_bytes: int) -> Iterator[tuple[str, str, str]]:
    """What is expected, what was found, and whether that is so."""

    def ratio(one: str, other: str, threads: int) -> float:
        fps = [median(rows, "worker", who, threads, "fps") for who in (one, other)]
        return fps[0] / fps[1] if fps[0] and fps[1] else 0.0

    for who in ("fused", "layers"):
        if found := ratio(OURS, who, 1):
            told = f"{found:.2f} times; on two threads {ratio(OURS, who, 2):.2f}"
            yield f"{AHEAD:g} times {NAMES[who]} on one thread", told, yes(found >= AHEAD)
    for who, threads, what in _modes(rows):
        fps, main = (median(rows, what, who, threads, each) for each in ("fps", "main_ms"))
        if fps and main:
            where = f"{_NAMED[who]}{', evidence shown' if what == 'evidence' else ''}"
            yield f"30 frames a second, {where}", f"{fps:.1f}", yes(fps >= CAMERA_FPS * KEPT_UP)
            yield f"under {MAIN_MS:g} ms of the main thread a frame, {where}", f"{main:.1f} ms", yes(main < MAIN_MS)
    told = f"{page_bytes / 1000:.0f} KB, and {device_bytes / 1e6:.1f} MB for the device"
    yield f"page under {PAGE_BYTES // 1000} KB gzip", told, yes(page_bytes < PAGE_BYTES)
    if first := median(rows, "page", "server", 0, "first_ms"):
        target = f"first word under {FIRST_MS / 1000:g} s after the camera's first picture"
        yield target, f"{first / 1000:.2f} s", yes(first < FIRST_MS)


_NAMED = {"server": "from the service", "device": "on the device"}


def _modes(rows: Sequence[Row]) -> list[tuple[str, int, str]]:
    seen = {(row.who, row.threads, row.what) for row in rows if row.what != "worker"}
    return sorted(seen, key=lambda mode: (mode[1], mode[2] == "evidence"))


def _workers(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    for who, name in NAMES.items():
        cells = []
        for threads in THREADS:
            fps, p50, p95 = (median(rows, "worker", who, threads, each) or 0 for each in ("fps", "p50_ms", "p95_ms"))
            cells.append(f"{fps:.1f} ({p50:.1f} / {p95:.1f})" if fps else "")
        if any(cells):
            yield name, *cells


def _pages(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    for who, threads, what in _modes(rows):
        columns = ("fps", "p50_ms", "p95_ms", "p99_ms", "main_ms")
        figures = (median(rows, what, who, threads, each) for each in columns)
        name = f"this device, {threads} threads" if threads else "the service"
        yield name, "yes" if what == "evidence" else "no", *(f"{each or 0:.1f}" for each in figures)
