"""A registry that breaks off, lies or serves damaged files costs neither the watcher nor the disk nor the memory."""

import asyncio
import json
import shutil
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import bundle
from bundle.errors import BundleError
from service.inference.queue import InferenceQueue
from service.metrics import Metrics
from service.models import watcher
from service.models.registry import RegistrySource
from service.models.source import Unavailable
from service.models.workspace import Workspace
from service.settings import Settings
from tests.tiny_bundle import make_bundle

Answering = Callable[[BaseHTTPRequestHandler, str], None]


class Registry(ThreadingHTTPServer):
    """Answers like an MLflow server, or as badly as ``answer_file`` says."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.number = 1
        self.asked: Counter[str] = Counter()
        self.answer_file: Answering | None = None
        self.answer_alias: Answering | None = None

    @property
    def settings(self) -> dict[str, object]:
        return {"model": "models:/m@champion", "mlflow_tracking_uri": f"http://127.0.0.1:{self.server_port}"}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        registry = self.server
        assert isinstance(registry, Registry)
        address = urlsplit(self.path)
        path = parse_qs(address.query).get("path", [""])[0]
        registry.asked[path] += 1
        if own := registry.answer_file if path else registry.answer_alias:
            return own(self, path)
        if path:
            data = (registry.folder / path).read_bytes()
        else:
            data = json.dumps({"model_version": {"version": str(registry.number)}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        return None

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    make_bundle(tmp_path / "registered")
    with Registry(tmp_path / "registered") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def source(registry: Registry, cache: Path) -> RegistrySource:
    return RegistrySource(Settings.model_validate(registry.settings | {"cache": cache}))


def fetched(one: RegistrySource, token: str, folder: Path) -> bundle.Bundle:
    folder.mkdir()
    one.fetch(token, folder)
    return bundle.load(folder)


def no_http(handler: BaseHTTPRequestHandler, _: str) -> None:
    handler.wfile.write(b"\0\0 this is no HTTP\r\n\r\n")


def broken_off(handler: BaseHTTPRequestHandler, _: str) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")


def too_long(handler: BaseHTTPRequestHandler, _: str) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")


def endless(handler: BaseHTTPRequestHandler, _: str) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    try:
        while True:
            handler.wfile.write(b" " * 65_536)
    except OSError:
        pass


@pytest.mark.parametrize("answer", [no_http, broken_off], ids=lambda answer: answer.__name__)
def test_an_answer_that_is_none_is_a_registry_that_can_not_be_reached(
    registry: Registry, tmp_path: Path, answer: Answering
) -> None:
    """`http.client.HTTPException` is no OSError: it used to end the watcher."""
    one = source(registry, tmp_path / "cache")
    token = one.look()
    registry.answer_file = answer
    with pytest.raises(Unavailable, match="can't be reached"):
        fetched(one, token, tmp_path / "first")
    registry.answer_alias = answer
    with pytest.raises(Unavailable, match=r"can't be reached|does not answer like"):
        one.look()
    registry.answer_alias = registry.answer_file = None
    assert fetched(one, one.look(), tmp_path / "second")


@pytest.mark.parametrize("answer", [too_long, endless], ids=lambda answer: answer.__name__)
def test_what_is_longer_than_announced_is_refused_and_never_in_memory(
    registry: Registry, tmp_path: Path, answer: Answering
) -> None:
    one = source(registry, tmp_path / "cache")
    token = one.look()
    registry.answer_file = answer
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match="is longer than"):
            fetched(one, token, tmp_path / "new")
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_services_that_share_a_cache_replace_it_as_a_whole(registry: Registry, tmp_path: Path) -> None:
    """Each has its own copy of what it serves; the last that took a model over leaves it for the next start."""
    one, other = (source(registry, tmp_path / "cache") for _ in range(2))
    first = one.look()
    served = fetched(one, first, tmp_path / "ours")
    one.taken(first, served.folder)
    registry.number = 2
    second = other.look()
    other.taken(second, fetched(other, second, tmp_path / "theirs").folder)
    assert bundle.load(served.folder)
    (kept,) = (tmp_path / "cache").iterdir()
    registry.answer_alias = no_http
    assert source(registry, tmp_path / "cache").look() == second
    registry.answer_file = no_http
    assert fetched(source(registry, tmp_path / "cache"), second, tmp_path / "kept")
    kept.write_bytes(kept.read_bytes()[:5_000])  # cut off
    with pytest.raises(Unavailable, match="can't be reached"):
        fetched(source(registry, tmp_path / "cache"), second, tmp_path / "cut")


def test_a_damaged_version_is_left_alone_for_longer_and_longer(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to be downloaded again at every look, by every replica."""
    (registry.folder / "model.onnx").write_bytes(b"damaged")
    monkeypatch.setattr(watcher, "FIRST_WAIT_S", 0.2)
    taken = threading.Event()

    async def watch() -> None:
        metrics = Metrics()
        settings = Settings.model_validate({"poll_s": 0.01, "threads": 1})
        queue = InferenceQueue(settings, metrics)
        with Workspace() as workspace:
            one = watcher.Watcher(
                source(registry, tmp_path / "cache"), workspace, queue, metrics, settings, lambda _: None
            )
            task = asyncio.create_task(one.run())
            while registry.asked[""] < 100:
                await asyncio.sleep(0.01)
            assert one.trouble == "damaged"
            assert registry.asked["manifest.json"] <= 6  # at 0, 0.2, 0.6, 1.4 … s
            shutil.rmtree(registry.folder)
            make_bundle(registry.folder)
            registry.number = 2  # another version is tried at once
            while queue.model is None:
                await asyncio.sleep(0.01)
            taken.set()
            task.cancel()
        queue.close()

    asyncio.run(asyncio.wait_for(watch(), 60))
    assert taken.is_set()
