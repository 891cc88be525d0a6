"""Frames through our workers and through those of others, without a pause, in turns."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from scripts.bench.web.figures import OURS, PEERS, Results, Row, percentile
from scripts.bench.web.server import folders

THREADS = (1, 2)


def measure(
    page: Page,
    built: Path,
    model: Path,
    manifest: Mapping[str, Any],
    turns: int,
    seconds: float,
    results: Results,
) -> None:
    """Measure every contender on one thread and on two, ``turns`` times in turn, so that a busy minute hits all.

    Args:
        page: of a browser, empty.
        built: the benchmark's page.
        model: the bundle's folder.
        manifest: what stands in its manifest.json.
        turns: how often.
        seconds: each.
        results: where the rows go.
    """
    picture = f"model/{manifest['golden'][0]['file']}"
    with folders({"": built, "model": model}) as address:
        page.goto(address)
        page.wait_for_function("window.bench")
        for turn in range(turns):
            for threads in THREADS:
                for who in (OURS, *PEERS):
                    found = page.evaluate(
                        "([who, manifest, picture, threads, seconds]) =>"
                        " bench.speed(who, manifest, picture, threads, seconds)",
                        [who, manifest, picture, threads, seconds],
                    )
                    results.rows.append(_row(who, threads, turn, found))
                    results.macs.update({who: found["about"]["macs"]} if "macs" in found["about"] else {})
                    print(f"   {who}, {threads} threads: {results.rows[-1].fps:.1f} a second", flush=True)


def _row(who: str, threads: int, turn: int, found: Mapping[str, Any]) -> Row:
    rounds = found["rounds"]
    return Row(
        "worker",
        who,
        threads,
        turn,
        seconds=found["seconds"],
        frames=len(rounds),
        fps=len(rounds) / found["seconds"],
        p50_ms=percentile(rounds, 50),
        p95_ms=percentile(rounds, 95),
        p99_ms=percentile(rounds, 99),
    )
