"""Clients that are slow, endless, many, or do not speak HTTP hold nothing for long."""

import json
import select
import socket
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from service.http.protocol import MAX_HEAD
from tests.service.running import Running, eventually, running
from tests.tiny_bundle import make_bundle, picture

CLOSES_S = 40.0  # on a machine that does other things, too; far more than the limits of the service here
HEAD = b"POST /identify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


def read_all(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    got = b""
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            got += chunk
    return got


def drip(connection: socket.socket, drop: bytes) -> None:
    """Send a little again and again until the other side closes, which it must."""
    end = time.monotonic() + CLOSES_S
    while time.monotonic() < end:
        try:
            connection.sendall(drop)
        except ConnectionError:
            return
        time.sleep(0.1)
    pytest.fail("it took it all")


def problem(answer: bytes) -> tuple[int, str]:
    """Status and kind of a raw answer in the one shape."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    values = json.loads(body)
    assert list(values) == ["type", "title", "status", "detail", "request_id"]
    return int(head.split()[1]), values["type"].removeprefix("/docs#")


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(service: Running) -> None:
    with service.socket() as connection:
        connection.sendall(HEAD + b"Content-Length: 50000000\r\n\r\n")
        assert problem(read_all(connection)) == (413, "too-large")


def test_a_client_that_sends_ten_times_too_much_first_still_gets_to_read_why_not(service: Running) -> None:
    """The connection is not closed while it sends, which could take the answer away from it."""
    answer = httpx.post(f"{service.url}/identify", content=b"\0" * 10_000_000)
    assert answer.status_code == 413
    assert answer.json()["type"] == "/docs#too-large"


def test_expect_continue_is_answered_before_the_body_is_sent(service: Running) -> None:
    with service.socket() as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 50000000\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_an_endless_body_is_cut_off(service: Running) -> None:
    sent = 0
    chunk = b"10000\r\n" + b"\0" * 0x10000 + b"\r\n"
    with service.socket() as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        with suppress(ConnectionError, TimeoutError):
            while sent < 1_000_000_000:
                connection.sendall(chunk)
                sent += len(chunk)
    assert sent < 200_000_000  # the limit, and what is thrown away while the answer is on its way
    assert service.memory() < 600_000_000


def test_a_slow_body_is_given_up(service: Running) -> None:
    with service.socket() as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        begun = time.monotonic()
        connection.settimeout(0.2)
        answer = b""
        while not answer:
            connection.sendall(b"x")
            try:
                answer = connection.recv(65_536)
            except TimeoutError:
                continue
        assert time.monotonic() - begun > 0.8  # TIMEOUT_S is 1 here
        connection.settimeout(CLOSES_S)
        assert problem(answer + read_all(connection)) == (408, "timeout")


@pytest.mark.parametrize("begin", [b"", b"\r\n", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_slow_head_is_given_up(service: Running, begin: bytes) -> None:
    with service.socket() as connection:
        begun = time.monotonic()
        if begin:
            connection.sendall(begin)
        assert read_all(connection) == b""
        assert time.monotonic() - begun > 2.5  # a second more than twice TIMEOUT_S, which is 1 here


def test_a_head_that_drips_is_given_up_all_the_same(service: Running) -> None:
    with service.socket() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        drip(connection, b"X: y\r\n")


def test_a_body_that_nobody_reads_can_not_drip_for_ever(service: Running) -> None:
    """The address does not exist, so the answer comes before the body, which then goes on and on."""
    with service.socket() as connection:
        connection.sendall(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        drip(connection, b"x")


def test_a_head_without_end_is_refused(service: Running) -> None:
    with service.socket() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * (MAX_HEAD + 1))
        assert read_all(connection).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0" * 100,
    ],
)
def test_what_is_no_http_is_refused(service: Running, noise: bytes) -> None:
    with service.socket() as connection:
        connection.sendall(noise)
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


def test_requests_in_a_pipeline_are_all_answered(service: Running) -> None:
    data = picture("red")
    one = HEAD + f"Content-Length: {len(data)}\r\n\r\n".encode() + data
    with service.socket() as connection:
        connection.sendall(one * 20)
        got = b""
        while got.count(b'"label":"art"') < 20:
            got += connection.recv(65_536)
    assert got.count(b"HTTP/1.1 200 OK") == 20


def test_who_does_not_read_is_cut_off(tmp_path: Path) -> None:
    """A client that asks for the model again and again and takes nothing."""
    make_bundle(tmp_path / "promoted", labels=[f"label {i}" for i in range(1_000)])
    with running(tmp_path, timeout_s=0.5, threads=1) as service, service.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.setblocking(False)
        ask = b"GET /model/model.onnx HTTP/1.1\r\nHost: localhost\r\n\r\n"
        begun = time.monotonic()

        def cut_off() -> bool:
            try:
                connection.send(ask * 500)
            except BlockingIOError:
                return False
            except ConnectionError:
                return True
            return False

        eventually(cut_off, 9)  # TIMEOUT_S is 10 where it is not set
        assert time.monotonic() - begun < 9.5


def test_connections_beyond_the_limit_get_503_at_once_and_the_others_go_on(tmp_path: Path) -> None:
    make_bundle(tmp_path / "promoted")
    limits = {"connections": 4, "address_share": 1, "timeout_s": 60}
    with running(tmp_path, **limits) as service, httpx.Client(base_url=service.url) as client:
        assert client.get("/healthz").status_code == 200
        others = [service.socket() for _ in range(3)]
        with service.socket() as fifth:
            fifth.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = read_all(fifth)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1\r\n" in answer
        assert client.get("/healthz").status_code == 200
        for other in others:
            other.close()
        eventually(lambda: service.metric("service_refused_total", limit="connections") >= 1)


def test_all_uploads_together_are_limited(tmp_path: Path) -> None:
    """Many clients that each hold a part of a large body do not fill the memory."""
    make_bundle(tmp_path / "promoted")
    with running(tmp_path, threads=1, body_bytes=1_000_000, frame_bytes=1_000_000, buffer_bytes=1_000_000) as service:
        slow = [service.socket() for _ in range(3)]
        for connection in slow:
            connection.sendall(HEAD + b"Content-Length: 900000\r\n\r\n" + b"\0" * 400_000)
        answered, _, _ = select.select(slow, [], [], CLOSES_S)
        (refused,) = answered
        answer = b""
        while not answer.endswith(b"}"):  # its head may come before its body
            answer += refused.recv(65_536)
        assert problem(answer) == (503, "overloaded")
        for connection in slow:
            connection.close()
        eventually(lambda: httpx.post(f"{service.url}/identify", content=picture("red")).status_code == 200)
