"""More is asked of a real service than it can: the page gives way, keeps its picture, and comes back by itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from tests.e2e.conftest import Open
from tests.e2e.pages import WEB, at, problem, state
from tests.service.running import running
from tests.tiny_bundle import make_bundle, picture

# A model that takes its time without taking the processor, which the browser needs.
TIRED: Final = (
    "import time; from bundle.engine import Engine; quick = Engine.run; "
    "Engine.run = lambda self, frames, **options: (time.sleep(0.3), quick(self, frames, **options))[1]"
)
OTHERS: Final = 6  # that ask all the time; two find room, one in work and one waiting


def test_a_service_that_others_overload_is_left_alone_until_there_is_room(tmp_path: Path, open_page: Open) -> None:
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, page=WEB / "dist", threads=1, queue=1, address_share=1, patch=TIRED) as service:
        page = open_page(url=service.url, watched=False)
        state(page, "live")
        problem(page, "")
        with others(f"{service.url}/identify"):
            problem(page, "overloaded")
            state(page, "live")
            assert "less often" in (at(page, "problem").text_content() or "")
        problem(page, "")
        state(page, "live")
        page.close()


@contextmanager
def others(url: str) -> Iterator[None]:
    """Ask without a pause, for a block."""
    over = threading.Event()
    threads = [threading.Thread(target=_ask, args=(url, over)) for _ in range(OTHERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _ask(url: str, over: threading.Event) -> None:
    data = picture("red", fmt="JPEG")
    with httpx.Client() as client:
        while not over.wait(0.01):
            client.post(url, content=data, headers={"content-type": "image/jpeg"}, timeout=30)
