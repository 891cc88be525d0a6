"""Measure the page: inference on the device beside other runtimes, and the whole page with a camera, in one run.

Writes docs/bench/web.csv and the tables of docs/bench-web.md. Everything stays on 127.0.0.1.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from pipeline.core.errors import PipelineError
from scripts.bench.results import circumstances, command, keep, percentile, publish
from scripts.bench.service.contenders import PROMOTED, SERVED, promoted
from scripts.bench.web import page
from scripts.bench.web.report import NAMES, THREADS, Row, report
from scripts.bench.web.server import served
from scripts.dev import node
from scripts.dev.browser import launch

CSV = Path("docs/bench/web.csv")
PAGE = Path("docs/bench-web.md")
BENCH = node.WEB / "bench"
LITERT = Path(".venv-litert/bin/python")  # `make bench-web` sees to it


def bench(turns: int, seconds: float, dry: bool) -> None:
    """Measure everything, print the tables and write them.

    Raises:
        PipelineError: a promoted model, Node or Chromium is missing, or the page shows no answer.
    """
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-web-") as folder, sync_playwright() as playwright:
        scratch = Path(folder)
        node.page()
        _build(scratch / "bench")
        browser = launch(playwright, camera=page.film(scratch / "camera.mjpeg"))
        about = f"Chromium {browser.version}, camera of {page.CAMERA[0]} x {page.CAMERA[1]}"
        try:
            print("== workers", flush=True)
            rows += workers(browser, scratch / "bench", turns, seconds)
            print("== page", flush=True)
            dist = str((node.WEB / node.DIST).resolve())
            with promoted(photos=()) as run, SERVED.started(run, PAGE=dist) as (server, _):
                threads = max(1, min(2, os.cpu_count() or 1))  # what the page takes on the device
                rows += page.measure(browser, f"http://127.0.0.1:{server.port}/", turns, seconds, threads)
        finally:
            browser.close()
    tables = report(keep(CSV, rows, dry), *page.weigh(node.WEB / node.DIST))
    told = f"{circumstances('make bench-web')} {about}. Medians of {turns} turns of {seconds:g} s."
    publish(PAGE, {"tables": f"{told}\n\n{tables}"}, dry)


def _build(built: Path) -> None:
    """The benchmark's own page, with the model, LiteRT's own files and the network as LiteRT has it beside it."""
    node.packages(node.WEB, node.env())  # whose code the benchmark builds into its page
    node.build("build", built, BENCH, "")
    shutil.copytree(PROMOTED, built / "model")
    for path in (BENCH / "node_modules/@litertjs/core/wasm").glob("litert_wasm_internal.*"):
        shutil.copy(path, built / "assets" / path.name)
    model = PROMOTED / _manifest()["variants"]["fp32"]["file"]
    command = [str(LITERT), "scripts/bench/web/litert.py", str(model), str(built / "model.tflite")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PipelineError(f"the network could not be written for LiteRT: {done.stderr.strip()[-500:]}")


def _manifest() -> Mapping[str, Any]:
    read: Mapping[str, Any] = json.loads((PROMOTED / "manifest.json").read_text(encoding="utf-8"))
    return read


def workers(browser: Browser, built: Path, turns: int, seconds: float) -> list[Row]:
    """Frames without a pause through every contender, ``turns`` times in turn, so that a busy minute hits all."""
    rows = []
    manifest = _manifest()
    picture = f"model/{manifest['golden'][0]['file']}"
    with served(built) as address:
        tab = browser.new_page()
        tab.goto(address)
        tab.wait_for_function("window.bench")
        for turn in range(turns):
            for threads in THREADS:
                for who in NAMES:
                    found = tab.evaluate("(given) => bench.speed(...given)", [who, manifest, picture, threads, seconds])
                    took, times = found["seconds"], found["rounds"]
                    figures = [percentile(times, each) for each in (50, 95, 99)]
                    rows.append(Row("worker", who, threads, turn, took, len(times), len(times) / took, *figures))
                    print(f"   {who}, {threads} threads: {rows[-1].fps:.1f} a second", flush=True)
        tab.close()
    return rows


if __name__ == "__main__":
    sys.exit(
        command(
            bench,
            __doc__,
            "make bench-web",
            turns=(3, "of everything; medians count"),
            seconds=(10.0, "of each measurement"),
        )
    )
