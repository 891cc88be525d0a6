"""What the service may come to hold is reckoned from its settings, holds when it is driven there, and has to fit."""

import re
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from bundle.errors import UserError
from service import budget, quota, settings
from tests.service.corpus import photo
from tests.service.running import Running, running
from tests.service.test_slow_clients import HEAD
from tests.service.test_stream import raw
from tests.tiny_bundle import make_bundle


def test_every_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def total(**values: str) -> int:
        return sum(budget.worst_case(settings.read({"threads": "2"} | values)).values())

    usual = total()
    assert total(threads="3") - usual == 100_000_000
    assert total(decode_bytes="50000000") - usual == -100_000_000
    assert total(buffer_bytes="33000000") - usual == 1_000_000
    assert total(streams="65") - usual == 1_000_000 + budget.STREAM
    assert total(frame_bytes="2000000") - usual == 64_000_000
    assert total(connections="257") - usual == budget.CONNECTION


def test_what_does_not_fit_is_refused_with_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = settings.read({"threads": "1"})
    need = sum(budget.worst_case(values).values())
    for enough in (need, None):
        monkeypatch.setattr(quota, "memory", lambda enough=enough: enough)
        budget.check(values)
    monkeypatch.setattr(quota, "memory", lambda: need - 1)
    with pytest.raises(UserError, match=r"DECODE_BYTES x 1 threads 100, .*lower these settings"):
        budget.check(values)


LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (500_000_000, 500_000_000))"


def test_it_does_not_start_under_a_limit_that_is_too_small_and_does_with_lower_settings(
    tmp_path: Path,
) -> None:
    make_bundle(tmp_path / "promoted")
    refused = Running(tmp_path, patch=LIMITED)
    assert refused.process.wait(20) == 1
    assert refused.log.read_text().startswith("error: the memory limit of 500 MB is too small: ")
    lower = {
        "threads": 1,
        "decode_bytes": 40_000_000,
        "streams": 16,
        "connections": 64,
        "buffer_bytes": 20_000_000,
    }
    with running(tmp_path, patch=LIMITED, **lower) as service:
        data = photo("PNG", (1_700, 1_700))  # as many pixels as DECODE_BYTES allows, nearly
        for _ in range(3):
            assert httpx.post(f"{service.url}/identify", content=data).status_code == 200


def peak(service: Running) -> int:
    """The most that the process ever held, in bytes."""
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1_000


def test_a_service_that_is_driven_to_all_its_limits_stays_within_the_budget(tmp_path: Path) -> None:
    """Large pictures in both threads, uploads that fill the buffer, streams with half a frame, heads that never end."""
    make_bundle(tmp_path / "promoted")
    limits = {
        "threads": "2",
        "buffer_bytes": "16000000",
        "frame_bytes": "1000000",
        "streams": "32",
        "connections": "128",
        "address_share": "1",
    }
    most = sum(budget.worst_case(settings.read(limits)).values())
    large = photo("PNG", (2_800, 2_800))  # 7.8 of 8 million pixels
    with running(tmp_path, timeout_s=20, **limits) as service, ExitStack() as held:
        for _ in range(32):
            stream = held.enter_context(raw(service))
            stream.sendall(b"\x02\xff" + (990_000).to_bytes(8, "big") + b"\0" * 4 + b"x" * 980_000)
        for _ in range(30):
            upload = held.enter_context(service.socket())
            upload.sendall(HEAD + b"Content-Length: 900000\r\n\r\n" + b"\0" * 400_000)
        for _ in range(40):
            head = held.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            head.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 30_000)
        asking = [
            threading.Thread(target=lambda: httpx.post(f"{service.url}/identify", content=large[:9_000_000]))
            for _ in range(8)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        assert peak(service) < most
        assert service.process.poll() is None
