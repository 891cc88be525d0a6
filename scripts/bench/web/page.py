"""The whole page with a camera, the service behind it: how it keeps up, and what it takes of its main thread."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from pipeline.core.errors import PipelineError
from scripts.bench.web.figures import Results, Row

SETTLE_S = 8.0  # after the first answer: compilers warm up, charts fill
WITHIN_S = 60.0
LOOK_EVERY_S = 0.05

# When the camera's first picture was there, and when the first word was painted.
WATCH = """
const measured = (window.measured = {});
document.addEventListener('loadeddata', () => { measured.camera ??= performance.now(); }, true);
const observer = new MutationObserver((changes) => {
  if (!changes.some(({ target }) => target.dataset?.model)) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { measured.word = performance.now(); }));
});
observer.observe(document, { subtree: true, attributes: true, attributeFilter: ['data-model'] });
"""


@dataclass(frozen=True)
class Plan:
    """How the page is measured.

    Attributes:
        address: of the service.
        turns: how often.
        seconds: each.
        threads: that the page takes for inference on this device.
    """

    address: str
    turns: int
    seconds: float
    threads: int


def measure(browser: Browser, plan: Plan, results: Results) -> None:
    """Measure the page as it asks the server, and as it answers on the device; with and without evidence."""
    for turn in range(plan.turns):
        for who in ("server", "device"):
            context = browser.new_context(permissions=["camera"], viewport={"width": 1280, "height": 800})
            try:
                page = context.new_page()
                page.add_init_script(WATCH)
                page.goto(plan.address)
                _wait(page, "measured.word > 0", "no word on the page")
                if who == "device":
                    _load(page)
                threads = plan.threads if who == "device" else 0
                rows = [_watch(page, "page", who, threads, turn, plan.seconds)]
                page.click("[data-testid=explain]")
                rows.append(_watch(page, "evidence", who, threads, turn, plan.seconds))
            finally:
                context.close()
            results.rows += rows
            for row in rows:
                figures = f"{row.fps:.1f} a second, {row.main_ms:.1f} ms of the main thread"
                print(f"   {row.what}, {who}: {figures}", flush=True)


def _load(page: Page) -> None:
    """Let the device answer, as a person would; the drawer is closed from here, as it lies over its button."""
    page.click("[data-testid=drawer-toggle]")
    page.locator("label", has=page.locator("[data-testid=mode-device]")).click()
    page.click("[data-testid=device-load]")
    _wait(
        page,
        "!document.querySelector('[data-testid=device-load], [data-testid=device-progress]')",
        "no model",
    )
    page.dispatch_event("[data-testid=drawer-toggle]", "click")


def _watch(page: Page, what: str, who: str, threads: int, turn: int, seconds: float) -> Row:
    time.sleep(SETTLE_S)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def now() -> tuple[float, float]:
        figures = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        return figures["Timestamp"], figures["TaskDuration"]  # s

    begun, busy = now()
    rates = _sample(seconds, lambda: float(_text(page, "fps")))
    ended, busier = now()
    frames = sum(rates) / len(rates) * (ended - begun)
    first = page.evaluate("measured.word - measured.camera")
    return Row(
        what,
        who,
        threads,
        turn,
        seconds=ended - begun,
        frames=round(frames),
        fps=sum(rates) / len(rates),
        p50_ms=float(_text(page, "p50")),
        p95_ms=float(_text(page, "p95")),
        p99_ms=float(_text(page, "p99")),
        main_ms=(busier - busy) * 1000 / frames if frames else 0.0,
        first_ms=first if (what, who) == ("page", "server") else 0.0,
    )


def _sample(seconds: float, look: Callable[[], float]) -> list[float]:
    """Once a second; looking takes time of the page, too."""
    found = []
    for _ in range(max(1, round(seconds))):
        time.sleep(1)
        found.append(look())
    return found


def _text(page: Page, name: str) -> str:
    return str(page.evaluate("(name) => document.querySelector(`[data-testid=${name}]`).textContent", name))


def _wait(page: Page, condition: str, otherwise: str) -> None:
    """Until ``condition`` holds; Playwright's own waiting needs `eval`, which the service's policy forbids."""
    until = time.monotonic() + WITHIN_S
    while not page.evaluate(condition):
        if time.monotonic() > until:
            problem = page.evaluate("document.querySelector('[data-testid=problem]')?.textContent ?? ''")
            raise PipelineError(f"{otherwise} within {WITHIN_S:g} s; it says: {problem or 'nothing'}")
        time.sleep(LOOK_EVERY_S)


def weigh(dist: Path) -> tuple[int, int]:
    """Bytes that are fetched of a built page, as gzip: all without the runtime on the device, and that runtime.

    Raises:
        PipelineError: the page is not built.
    """
    if not (dist / "index.html").exists():
        raise PipelineError(f"{dist} is not built; run make page")
    page = runtime = 0
    for path in dist.rglob("*"):
        if not path.is_file() or path.suffix in (".br", ".gz", ".jpg") or path.name.startswith("."):
            continue  # pictures to try are fetched when somebody sees them
        compressed = path.with_name(path.name + ".gz")
        size = (compressed if compressed.exists() else path).stat().st_size
        if path.name.startswith(("ort-", "inference", "local-inference")):
            runtime += size
        else:
            page += size
    return page, runtime
