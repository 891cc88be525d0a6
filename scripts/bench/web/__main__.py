"""Measure the page: inference on the device beside TensorFlow.js, and the whole page with a camera, in one run.

Writes docs/bench/web.csv and the tables of docs/bench-web.md. Everything stays on 127.0.0.1.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

import bundle
from bundle.errors import BundleError
from pipeline.core import files
from pipeline.core.errors import PipelineError, run_stage
from scripts.bench.service.contenders import ROOT, SERVED, Task
from scripts.bench.service.server import Cores, free_port, running
from scripts.bench.web import film, network, page, speed
from scripts.bench.web.figures import Results, to_csv
from scripts.bench.web.report import report
from scripts.dev import node, readme
from scripts.dev.browser import launch
from scripts.dev.environment import SetupError

CSV = Path("docs/bench/web.csv")
PAGE = Path("docs/bench-web.md")
PROMOTED = Path("models/promoted")
BENCH = node.WEB / "bench"
LITERT = Path(".venv-litert/bin/python")  # `make bench-web` sees to it


def bench(turns: int, seconds: float, write: bool) -> None:
    """Measure everything; print the tables, and ``write`` them.

    Raises:
        PipelineError: a promoted model, Node or Chromium is missing, or the page shows no answer.
    """
    try:
        bundle.load(PROMOTED)
        node.page()
        env = node.variables(node.folder())
        node.packages(BENCH, env)
    except (BundleError, SetupError) as error:
        raise PipelineError(str(error)) from error
    manifest = json.loads((PROMOTED / "manifest.json").read_text(encoding="utf-8"))
    results = Results(macs={"ours": network.macs(PROMOTED / manifest["variants"]["fp32"]["file"])})
    results.page_bytes, results.runtime_bytes = page.weigh(node.WEB / node.DIST)
    with tempfile.TemporaryDirectory(prefix="bench-web-") as folder:
        scratch = Path(folder)
        try:
            node.build("build", scratch / "bench", BENCH, env, "")
            _litert(scratch / "bench", PROMOTED / manifest["variants"]["fp32"]["file"])
            _browse(scratch, manifest, turns, seconds, results)
        except SetupError as error:
            raise PipelineError(str(error)) from error
    tables = report(results, f"make bench-web (--turns {turns} --seconds {seconds:g})")
    print(tables)
    if write:
        files.write_text(CSV, to_csv(results.rows))
        readme.write("tables", tables, PAGE)
        print(f"-> {CSV}, {PAGE}")


def _litert(built: Path, model: Path) -> None:
    """Put LiteRT's own files, and the network as it has it, beside the benchmark's page.

    Raises:
        PipelineError: the network could not be written.
    """
    for path in (BENCH / "node_modules/@litertjs/core/wasm").glob("litert_wasm_internal.*"):
        shutil.copy(path, built / "assets" / path.name)
    command = [str(LITERT), "scripts/bench/web/litert.py", str(model), str(built / "model.tflite")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise PipelineError(f"the network could not be written for LiteRT: {run.stderr.strip()[-500:]}")


def _browse(scratch: Path, manifest: dict[str, Any], turns: int, seconds: float, results: Results) -> None:
    camera = film.make(scratch / "camera.mjpeg")
    threads = max(1, min(2, os.cpu_count() or 1))  # what web/src/inference/local/runtime.ts takes
    with sync_playwright() as playwright:
        browser = launch(playwright, camera=camera)
        results.about = f"Chromium {browser.version}, camera of {film.SIZE[0]} x {film.SIZE[1]}"
        try:
            print("== worker", flush=True)
            tab = browser.new_page()
            speed.measure(tab, scratch / "bench", PROMOTED, manifest, turns, seconds, results)
            tab.close()
            print("== page", flush=True)
            task = Task((ROOT / PROMOTED).resolve(), "fp32", free_port(), scratch, scratch)
            with running(
                SERVED.command(task),
                ready=SERVED.ready,
                port=task.port,
                log=scratch / "service.log",
                environment={**SERVED.variables(task), "PAGE": str((node.WEB / node.DIST).resolve())},
                cores=Cores.choose().server,
            ):
                plan = page.Plan(f"http://127.0.0.1:{task.port}/", turns, seconds, threads)
                page.measure(browser, plan, results)
        finally:
            browser.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="make bench-web", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=3, help="of everything; their medians count (3)")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement (10)")
    parser.add_argument("--dry", action="store_true", help="print the tables and write nothing")
    given = parser.parse_args(argv)
    return run_stage(lambda: bench(given.turns, given.seconds, not given.dry))


if __name__ == "__main__":
    sys.exit(main())
