"""The whole page with a camera, the service behind it: how it keeps up, and what it takes of its main thread."""

import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from pipeline.core.errors import PipelineError
from scripts.bench import pictures
from scripts.bench.web.report import Row

CAMERA = (1280, 720)  # what the page asks a camera for
FPS = 30
PHOTOS = 8  # of the film, a second each
SETTLE_S = 8.0  # after the first answer: compilers warm up, charts fill
WITHIN_S = 60.0

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


def film(path: Path) -> Path:
    """What the browser's camera sees: photos of the test split, as JPEGs one after the other; it repeats for ever.

    Raises:
        DataError: there is no split yet.
    """
    path.write_bytes(b"".join(photo * FPS for photo in pictures.make(PHOTOS, CAMERA)))
    return path


def measure(browser: Browser, address: str, turns: int, seconds: float, threads: int) -> list[Row]:
    """The page as it asks the service at ``address``, and as it answers on the device; without and with evidence.

    Raises:
        PipelineError: the page shows no answer.
    """
    rows = []
    for turn in range(turns):
        for who in ("server", "device"):
            context = browser.new_context(permissions=["camera"], viewport={"width": 1280, "height": 800})
            try:
                page = context.new_page()
                page.add_init_script(WATCH)
                page.goto(address)
                _wait(page, "measured.word > 0", "no word on the page")
                if who == "device":
                    _load(page)
                for what in ("page", "evidence"):
                    if what == "evidence":
                        page.click("[data-testid=explain]")
                    row = _watch(page, what, who, threads if who == "device" else 0, turn, seconds)
                    print(f"   {what}, {who}: {row.fps:.1f} a second, {row.main_ms:.1f} ms of main thread", flush=True)
                    rows.append(row)
            finally:
                context.close()
    return rows


def _load(page: Page) -> None:
    """Let the device answer, as a person would; the drawer is closed from here, as it lies over its button."""
    page.click("[data-testid=drawer-toggle]")
    page.locator("label", has=page.locator("[data-testid=mode-device]")).click()
    page.click("[data-testid=device-load]")
    _wait(page, "!document.querySelector('[data-testid=device-load], [data-testid=device-progress]')", "no model")
    page.dispatch_event("[data-testid=drawer-toggle]", "click")


def _watch(page: Page, what: str, who: str, threads: int, turn: int, seconds: float) -> Row:
    time.sleep(SETTLE_S)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def now() -> tuple[float, float]:
        figures = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        return figures["Timestamp"], figures["TaskDuration"]  # s

    begun, busy = now()
    rates = []
    for _ in range(max(1, round(seconds))):
        time.sleep(1)  # looking takes time of the page, too
        rates.append(_figure(page, "fps"))
    ended, busier = now()
    fps = sum(rates) / len(rates)
    first = page.evaluate("measured.word - measured.camera")
    return Row(
        what,
        who,
        threads,
        turn,
        seconds=ended - begun,
        frames=round(fps * (ended - begun)),
        fps=fps,
        p50_ms=_figure(page, "p50"),
        p95_ms=_figure(page, "p95"),
        p99_ms=_figure(page, "p99"),
        main_ms=(busier - busy) * 1000 / (fps * (ended - begun)) if fps else 0.0,
        first_ms=first if (what, who) == ("page", "server") else 0.0,
    )


def _figure(page: Page, name: str) -> float:
    shown = str(page.evaluate("(name) => document.querySelector(`[data-testid=${name}]`).textContent", name))
    return float(shown or 0)


def _wait(page: Page, condition: str, otherwise: str) -> None:
    """Until ``condition`` holds; Playwright's own waiting needs `eval`, which the service's policy forbids."""
    until = time.monotonic() + WITHIN_S
    while not page.evaluate(condition):
        if time.monotonic() > until:
            problem = page.evaluate("document.querySelector('[data-testid=problem]')?.textContent ?? ''")
            raise PipelineError(f"{otherwise} within {WITHIN_S:g} s; it says: {problem or 'nothing'}")
        time.sleep(0.05)


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
