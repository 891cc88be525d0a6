"""The tables of docs/bench-web.md, made from what a run found."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psutil

from scripts.bench.service.report import table
from scripts.bench.web.figures import OURS, PEERS, Results
from scripts.bench.web.speed import THREADS

AHEAD = 1.5  # of TensorFlow.js, on one thread
MAIN_MS = 6.0
CAMERA_FPS = 30.0
KEPT_UP = 0.97  # of the camera's rate counts as all of it: the page counts over two seconds
PAGE_BYTES = 150_000
FIRST_MS = 1500.0


def report(results: Results, command: str) -> str:
    """All of it as Markdown."""
    memory = psutil.virtual_memory().total / 2**30
    return "\n\n".join(
        [
            f"{datetime.now(UTC):%Y-%m-%d}, `{command}`, {psutil.cpu_count()} cores shared by browser and service, "
            f"{memory:.0f} GiB, {results.about}. Medians of {1 + max(row.turn for row in results.rows)} turns.",
            "### Against what was expected",
            table(("expected", "found", ""), list(expectations(results))),
            "### Frames without a pause, in workers",
            table(
                ("", "threads", "a second", "P50 ms", "P95 ms", "million multiply-adds"),
                list(_workers(results)),
            ),
            "### The page with a camera of 30 frames a second",
            table(
                ("answers from", "a second", "P50 ms", "P95 ms", "P99 ms", "main thread, ms a frame"),
                list(_pages(results)),
            ),
        ]
    )


def expectations(results: Results) -> Iterator[tuple[str, str, str]]:
    """What issue 4 expects, what was found, and whether that is so."""
    for who, name in PEERS.items():
        if name.startswith("TensorFlow"):
            yield _against(results, who, name)
    gain = _ratio(results, (OURS, 2), (OURS, 1))
    if gain:
        others = ", ".join(f"{_ratio(results, (who, 2), (who, 1)) or 0:.2f} ({who})" for who in PEERS)
        yield "what a second thread gives", f"{gain:.2f} times; others {others}", ""
    for who, where in (("server", "over the loopback service"), ("device", "on the device")):
        threads = next((row.threads for row in results.rows if (row.what, row.who) == ("page", who)), 0)
        fps = results.median("page", who, threads, "fps")
        main = results.median("page", who, threads, "main_ms")
        if fps and main:
            yield f"30 frames a second {where}", f"{fps:.1f}", _yes(fps >= CAMERA_FPS * KEPT_UP)
            yield (
                f"under {MAIN_MS:g} ms of the main thread a frame, both charts moving, {where}",
                f"{main:.1f} ms",
                _yes(main < MAIN_MS),
            )
    yield (
        f"page under {PAGE_BYTES // 1000} KB gzip",
        f"{results.page_bytes / 1000:.0f} KB, and {results.runtime_bytes / 1e6:.1f} MB for the device",
        _yes(results.page_bytes < PAGE_BYTES),
    )
    if first := results.median("page", "server", 0, "first_ms"):
        yield (
            f"first word under {FIRST_MS / 1000:g} s after the camera's first picture",
            f"{first / 1000:.2f} s",
            _yes(first < FIRST_MS),
        )


def _against(results: Results, who: str, name: str) -> tuple[str, str, str]:
    expected = f"ahead of {name} by {AHEAD:g} on one thread"
    ratio = _ratio(results, (OURS, 1), (who, 1))
    if ratio is None:
        return expected, "not measured", ""
    two = _ratio(results, (OURS, 2), (who, 2))
    return (
        expected,
        f"{ratio:.2f} times" + (f"; on two threads {two:.2f}" if two else ""),
        _yes(ratio >= AHEAD),
    )


def _ratio(results: Results, one: tuple[str, int], other: tuple[str, int]) -> float | None:
    fps = [results.median("worker", who, threads, "fps") for who, threads in (one, other)]
    return fps[0] / fps[1] if fps[0] and fps[1] else None


def _workers(results: Results) -> Iterator[tuple[str, ...]]:
    names = {OURS: "ours, onnxruntime-web 1.16 with XNNPACK", **PEERS}
    for threads in THREADS:
        for who, name in names.items():
            figures = [results.median("worker", who, threads, each) for each in ("fps", "p50_ms", "p95_ms")]
            if figures[0]:
                work = f"{results.macs[who] / 1e6:.1f}" if who in results.macs else ""
                yield name, str(threads), *(f"{each or 0:.1f}" for each in figures), work


def _pages(results: Results) -> Iterator[tuple[str, ...]]:
    seen = {(row.who, row.threads, row.what) for row in results.rows if row.what in ("page", "evidence")}
    for who, threads, what in sorted(seen, reverse=True):
        columns = ("fps", "p50_ms", "p95_ms", "p99_ms", "main_ms")
        figures = [results.median(what, who, threads, each) for each in columns]
        name = f"this device, {threads} threads" if threads else "the service"
        over = ", evidence over the picture" if what == "evidence" else ""
        yield name + over, *(f"{each or 0:.1f}" for each in figures)


def _yes(fulfilled: bool) -> str:
    return "yes" if fulfilled else "**no**"
