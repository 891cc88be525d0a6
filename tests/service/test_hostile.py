"""What a stranger can send without a key, once, to do the most harm: each was possible in an earlier service."""

import contextlib

import httpx
import psutil
import pytest
from websockets.sync.client import connect

from tests.service.running import Running
from tests.service.test_bad_input import unharmed
from tests.service.test_slow_clients import read_all
from tests.service.test_stream import closed, hear, open_stream
from tests.tiny_bundle import picture


@pytest.mark.parametrize("kilobytes", [1, 8, 30])
@pytest.mark.parametrize("bomb", [";", "a=b;", '\\"'])
def test_a_content_type_of_many_parameters_holds_up_nobody(service: Running, kilobytes: int, bomb: str) -> None:
    """30 KB of semicolons took half a second of the event loop, 120 KB seven."""
    content_type = f'multipart/form-data; x="{bomb * (kilobytes * 1_000 // len(bomb))}"; boundary=b'
    process = psutil.Process(service.process.pid)
    before = sum(process.cpu_times()[:2])
    with unharmed(service), httpx.Client(base_url=service.url) as client:
        for _ in range(5):
            answer = client.post("/identify", content=b"--b--", headers={"content-type": content_type})
            assert answer.status_code == 400
    assert sum(process.cpu_times()[:2]) - before < 1.0  # seconds of processor time, whoever else uses the machine


@pytest.mark.parametrize("line", [b"X: " + b"y" * 120_000, b"X: y\r\n" * 20_000, b"Content-Type: " + b";" * 120_000])
def test_a_large_head_that_arrives_in_one_read_is_refused(service: Running, line: bytes) -> None:
    with unharmed(service), service.socket() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + line + b"\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 431 ")


def test_a_long_address_is_refused(service: Running) -> None:
    with unharmed(service), service.socket() as connection:
        connection.sendall(b"GET /" + b"y" * 120_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 431 " in read_all(connection)


def test_a_pipeline_without_end_is_broken_off(service: Running) -> None:
    """13,156 requests of one read were queued."""
    with unharmed(service), service.socket() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10_000)
        assert read_all(connection).count(b"HTTP/1.1 200 ") <= 40


def test_a_websocket_behind_a_request_that_is_in_work_is_broken_off_without_a_fault(service: Running) -> None:
    """The answer was written to a connection that the handshake had closed; the fixture looks into the log."""
    data = picture("red") + b"\0" * 5_000
    head = f"POST /identify HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    upgrade = b"GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with unharmed(service):
        for _ in range(5):
            with service.socket() as connection:
                connection.sendall(head + data + upgrade)
                read_all(connection)


def test_a_page_that_points_its_own_name_here_gets_nothing(service: Running) -> None:
    """DNS rebinding: to the browser, the stranger's name and this service are one origin."""
    host = f"rebound.attacker.example:{service.port}"
    answer = httpx.get(f"{service.url}/model", headers={"host": host})
    assert answer.status_code == 400
    assert "ALLOWED_HOSTS" in answer.json()["detail"]
    handshake = {
        "host": host,
        "origin": f"http://{host}",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert httpx.get(f"{service.url}/stream", headers=handshake).status_code == 403


def test_one_address_can_not_take_all_streams(service: Running) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(32):
            held.enter_context(open_stream(service))
        with open_stream(service) as one_more:
            code, reason = closed(one_more)
            assert (code, "your address" in reason) == (1013, True)
        assert service.metric("service_refused_total", limit="streams-address") >= 1


def test_a_stream_is_explained_where_it_asks(service: Running) -> None:
    with connect(f"ws://127.0.0.1:{service.port}/stream?explain=1") as stream:
        stream.send(picture("red"))
        assert hear(stream)["evidence"]["label"] == "art"
        stream.send(picture("grey"))
        assert hear(stream)["evidence"] is None
    with open_stream(service) as stream:
        stream.send(picture("red"))
        assert "evidence" not in hear(stream)


def test_a_peer_that_was_told_to_go_can_not_fill_the_memory(service: Running) -> None:
    """Frames go on and on after the close; they are neither kept nor read for long."""
    from tests.service.test_stream import frame, raw, until_closed

    with unharmed(service), raw(service) as connection:
        connection.sendall(frame(1, b"hello"))  # closed with 1003
        until_closed(connection, frame(2, b"x" * 60_000, fin=False))
